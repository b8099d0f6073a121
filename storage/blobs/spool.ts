/**
 * @file Takes bytes in before they are stored: their hash is the blob's name, and a store sends them again when a
 * connection breaks. Few bytes stay in memory, more go to a file.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { BlobInfo } from './contract.ts';
import { asDiskError } from './name.ts';

/** Bytes that stay in memory: more than almost any photo or picture. */
const IN_MEMORY = 8 * 1024 * 1024;

/** A file older than this was left by a crash; ms. */
const STALE = 24 * 3600_000;

/** Removes the files that crashed processes left in a folder; younger ones may be in use. */
export async function dropStaleFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => null);
    if (info !== null && Date.now() - info.mtimeMs > STALE) await rm(path, { force: true });
  }
}

export interface Spooled extends BlobInfo {
  /** All bytes; null when they are in a file. */
  readonly bytes: Uint8Array | null;
  /** Reads them from the start, as often as it is called. */
  readonly read: () => Iterable<Uint8Array> | Readable;
  /** Removes the file. */
  readonly drop: () => Promise<void>;
}

/**
 * @param folder - for the file; made when it is needed
 * @throws KronaError DISK_FULL; the error of the stream
 */
export async function spool(given: Uint8Array | Readable, folder: string): Promise<Spooled> {
  const hash = createHash('sha256');
  if (given instanceof Uint8Array) return inMemory(hash.update(given).digest('hex'), given);
  const path = join(folder, randomUUID());
  const drop = () => rm(path, { force: true });
  let parts: Uint8Array[] = [];
  let size = 0;
  let file: FileHandle | null = null;
  try {
    for await (const part of given as AsyncIterable<Uint8Array>) {
      hash.update(part);
      size += part.length;
      parts.push(part);
      if (size <= IN_MEMORY) continue;
      file ??= await create(path, folder);
      for (const each of parts) await file.writeFile(each);
      parts = [];
    }
  } catch (error) {
    await drop().catch(() => undefined);
    throw asDiskError(error);
  } finally {
    await file?.close();
  }
  const name = hash.digest('hex');
  if (file === null) return inMemory(name, Buffer.concat(parts));
  return { hash: name, size, bytes: null, read: () => createReadStream(path), drop };
}

const inMemory = (hash: string, bytes: Uint8Array): Spooled => ({
  hash,
  size: bytes.length,
  bytes,
  read: () => [bytes],
  drop: async () => {},
});

async function create(path: string, folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return open(path, 'wx', 0o600);
}
