/** @file Gives the engine blobs as files. */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { KronaError } from '../../core/errors.ts';
import { exists, isFileError } from '../../core/files.ts';
import type { WorkerContext } from './context.ts';

type Files = Pick<WorkerContext, 'blobs' | 'dataFolder'>;

/**
 * Copies a blob to a path, unless a file exists there. The copy appears whole or not at all.
 * @throws KronaError BLOB_NOT_FOUND, DISK_FULL
 */
export async function copyBlob({ blobs }: Pick<Files, 'blobs'>, hash: string, path: string): Promise<void> {
  if (await exists(path)) return;
  const draft = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await pipeline(await blobs.stream(hash), createWriteStream(draft, { flush: true }));
    await rename(draft, path);
  } catch (error) {
    if (!isFileError(error, 'ENOSPC') && !isFileError(error, 'EDQUOT')) throw error;
    throw new KronaError('DISK_FULL', 'The disk is full. Free some space and try again.', {
      cause: error,
      retryable: true,
    });
  } finally {
    await rm(draft, { force: true });
  }
}

/** Path of an adapter's file: in the blob store if that is a folder, else of a copy. */
export async function adapterFile(files: Files, hash: string): Promise<string> {
  const path = await files.blobs.localPath(hash);
  if (path !== null) return path;
  const copy = join(files.dataFolder, 'adapters', `${hash}.safetensors`);
  await copyBlob(files, hash, copy);
  return copy;
}
