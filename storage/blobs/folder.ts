/** @file Blobs in a folder: `ab/cd/abcd…`, by SHA-256. A blob appears whole, by renaming, or not at all. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { KronaError } from '../../core/errors.ts';
import { isFileError } from '../../core/files.ts';
import type { BlobStore } from './contract.ts';

/** A draft this old belongs to no living writer; ms. */
const STALE_DRAFT = 24 * 3600_000;

/** Opens the folder, creating it if need be, and sweeps drafts that a crash has left. */
export async function openBlobFolder(folder: string): Promise<BlobStore> {
  const drafts = join(folder, 'drafts');
  await mkdir(drafts, { recursive: true });
  for (const name of await readdir(drafts)) {
    const path = join(drafts, name);
    const info = await stat(path).catch(() => null);
    if (info !== null && Date.now() - info.mtimeMs > STALE_DRAFT) await rm(path, { force: true });
  }

  const pathOf = (hash: string): string => {
    if (/^[0-9a-f]{64}$/.test(hash)) return join(folder, hash.slice(0, 2), hash.slice(2, 4), hash);
    throw new KronaError('BLOB_NAME_INVALID', "A blob's name is its SHA-256: 64 lower-case hex digits.");
  };

  const sizeOf = async (path: string): Promise<number | null> => {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (isFileError(error, 'ENOENT')) return null;
      throw error;
    }
  };

  return {
    async put(bytes) {
      const draft = join(drafts, randomUUID());
      try {
        const info = await writeDraft(draft, bytes);
        const path = pathOf(info.hash);
        if (!(await touch(path))) {
          await mkdir(dirname(path), { recursive: true });
          await rename(draft, path);
          await syncFolder(dirname(path));
        }
        return info;
      } catch (error) {
        throw mapped(error);
      } finally {
        await rm(draft, { force: true });
      }
    },

    async stat(hash) {
      const size = await sizeOf(pathOf(hash));
      return size === null ? null : { hash, size };
    },

    async get(hash) {
      try {
        return await readFile(pathOf(hash));
      } catch (error) {
        throw isFileError(error, 'ENOENT') ? notFound(hash) : error;
      }
    },

    async stream(hash, range) {
      let file: FileHandle;
      try {
        file = await open(pathOf(hash));
      } catch (error) {
        throw isFileError(error, 'ENOENT') ? notFound(hash) : error;
      }
      // `end` is inclusive on both sides; the file is closed with the stream.
      return file.createReadStream(range === undefined ? {} : { start: range.start, end: range.end });
    },

    async delete(hash) {
      await rm(pathOf(hash), { force: true });
    },

    async *putBefore(time) {
      for (const first of await foldersIn(folder))
        for (const second of await foldersIn(join(folder, first)))
          for (const hash of await readdir(join(folder, first, second)).catch(() => [])) {
            const info = await stat(join(folder, first, second, hash)).catch(() => null);
            if (info !== null && info.mtimeMs < time.getTime()) yield hash;
          }
    },

    async deleteOlder(hash, time) {
      const path = pathOf(hash);
      // Taken aside first: who puts it now finds nothing and writes it anew, who put it just before has touched it.
      const aside = join(drafts, randomUUID());
      try {
        await rename(path, aside);
      } catch (error) {
        if (isFileError(error, 'ENOENT')) return false;
        throw error;
      }
      if ((await stat(aside)).mtimeMs < time.getTime()) {
        await rm(aside);
        return true;
      }
      await rename(aside, path);
      return false;
    },

    async localPath(hash) {
      const path = pathOf(hash);
      return (await sizeOf(path)) === null ? null : path;
    },

    async close() {},
  };
}

/** Marks a blob as put now; false when there is none. */
async function touch(path: string): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(path, now, now);
    return true;
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return false;
    throw error;
  }
}

/** The two levels of folders that blobs lie in have names of two hex digits. */
async function foldersIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

/** Writes and hashes at once, and returns when the bytes are on the disk. */
async function writeDraft(
  path: string,
  bytes: Uint8Array | Readable,
): Promise<{ hash: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx');
  try {
    for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
      const part = chunk as Uint8Array;
      hash.update(part);
      size += part.length;
      await file.writeFile(part);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { hash: hash.digest('hex'), size };
}

/** Makes a rename last through a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function mapped(error: unknown): unknown {
  if (!isFileError(error, 'ENOSPC') && !isFileError(error, 'EDQUOT')) return error;
  return new KronaError('DISK_FULL', 'The disk is full; nothing was stored. Free some space and try again.', {
    cause: error,
    retryable: true,
  });
}

const notFound = (hash: string): KronaError =>
  new KronaError('BLOB_NOT_FOUND', `There is no blob ${hash}; it may have been deleted.`);
