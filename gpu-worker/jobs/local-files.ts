/** @file Gives the engine blobs as files. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { KronaError } from '../../core/errors.ts';
import { exists, makeAll } from '../../core/files.ts';
import { asDiskError } from '../../storage/blobs/name.ts';
import type { WorkerContext } from './context.ts';

type Files = Pick<WorkerContext, 'blobs' | 'dataFolder'>;

/**
 * Copies a blob to a path, unless a file exists there. The copy appears whole or not at all.
 * @throws KronaError BLOB_NOT_FOUND, BLOB_DAMAGED, DISK_FULL
 */
export async function copyBlob({ blobs }: Pick<Files, 'blobs'>, hash: string, path: string): Promise<void> {
  if (await exists(path)) return;
  const draft = `${path}.${randomUUID()}`;
  try {
    await makeAll(dirname(path));
    const sum = createHash('sha256');
    const hashing = async function* (parts: AsyncIterable<Uint8Array>) {
      for await (const part of parts) {
        sum.update(part);
        yield part;
      }
    };
    await pipeline(await blobs.stream(hash), hashing, createWriteStream(draft, { flush: true }));
    if (sum.digest('hex') !== hash)
      throw new KronaError(
        'BLOB_DAMAGED',
        `The blob ${hash} is damaged: it holds other bytes than were stored. Check the disk of the blob store, and restore it from a backup.`,
      );
    await rename(draft, path);
  } catch (error) {
    throw asDiskError(error);
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

/** Copies of adapters from a blob store that is no folder of this machine: `<hash>.safetensors`. */
export const adapterCopiesFolder = (dataFolder: string): string => join(dataFolder, 'adapters');

/** The blob that a file of that folder is a copy of. */
export const hashOfCopy = (name: string): string => name.split('.', 1)[0] ?? '';

/** Path of an adapter's file: in the blob store if that is a folder, else of a copy, which then counts as used just now. */
export async function adapterFile(files: Files, hash: string): Promise<string> {
  const path = await files.blobs.localPath(hash);
  if (path !== null) return path;
  const copy = join(adapterCopiesFolder(files.dataFolder), `${hash}.safetensors`);
  await copyBlob(files, hash, copy);
  const now = new Date();
  await utimes(copy, now, now);
  return copy;
}
