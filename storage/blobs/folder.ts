/** @file Blobs in a folder, named by SHA-256: `ab/cd/abcd…`. Each is written to a draft and then renamed. */
import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { isFileError, makeAll, makeFolder } from '../../core/files.ts';
import type { BlobInfo, BlobRange, BlobStore } from './contract.ts';
import { asDiskError, blobMissing, checkedName, isBlobName } from './name.ts';
import { dropStaleFiles } from './spool.ts';

/** Opens the folder, creating it when it is missing, and removes drafts that a crash left behind. */
export async function openBlobFolder(folder: string): Promise<BlobStore> {
  const drafts = join(folder, 'drafts');
  await makeFolder(drafts);
  await dropStaleFiles(drafts);
  return new BlobFolder(folder, drafts);
}

class BlobFolder implements BlobStore {
  readonly #folder: string;
  readonly #drafts: string;

  constructor(folder: string, drafts: string) {
    this.#folder = folder;
    this.#drafts = drafts;
  }

  async put(bytes: Uint8Array | Readable): Promise<BlobInfo> {
    const draft = join(this.#drafts, randomUUID());
    try {
      const info = await writeDraft(draft, bytes);
      const path = this.#pathOf(info.hash);
      if (!(await touch(path, info.size))) {
        await makeAll(dirname(path));
        await rename(draft, path);
        await syncFolder(dirname(path));
      }
      return info;
    } catch (error) {
      throw asDiskError(error);
    } finally {
      // A disk that has become read-only keeps it.
      await rm(draft, { force: true }).catch(() => undefined);
    }
  }

  async stat(hash: string): Promise<BlobInfo | null> {
    try {
      return { hash, size: (await stat(this.#pathOf(hash))).size };
    } catch (error) {
      if (isFileError(error, 'ENOENT')) return null;
      throw error;
    }
  }

  async get(hash: string): Promise<Uint8Array> {
    return readFile(this.#pathOf(hash)).catch((error: unknown) => {
      throw missing(error, hash);
    });
  }

  async stream(hash: string, range?: BlobRange): Promise<Readable> {
    const file = await open(this.#pathOf(hash)).catch((error: unknown) => {
      throw missing(error, hash);
    });
    // `end` is inclusive on both sides; the file is closed with the stream.
    return file.createReadStream(range === undefined ? {} : { start: range.start, end: range.end });
  }

  async delete(hash: string): Promise<void> {
    await rm(this.#pathOf(hash), { force: true }).catch((error: unknown) => {
      throw asDiskError(error);
    });
  }

  async *putBefore(time: Date): AsyncIterable<string> {
    for (const first of await foldersIn(this.#folder))
      for (const second of await foldersIn(join(this.#folder, first)))
        for (const hash of await readdir(join(this.#folder, first, second)).catch(() => [])) {
          // Other programs leave files too, such as the system's of a network drive.
          if (!isBlobName(hash)) continue;
          const info = await stat(join(this.#folder, first, second, hash)).catch(() => null);
          if (info !== null && info.mtimeMs < time.getTime()) yield hash;
        }
  }

  async deleteOlder(hash: string, time: Date): Promise<boolean> {
    const path = this.#pathOf(hash);
    // Moved aside first: a put that follows finds nothing and writes the blob again; one just before has touched it.
    const aside = join(this.#drafts, randomUUID());
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
  }

  async localPath(hash: string): Promise<string | null> {
    return (await this.stat(hash)) === null ? null : this.#pathOf(hash);
  }

  async publicLink(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {}

  #pathOf(hash: string): string {
    return join(this.#folder, checkedName(hash).slice(0, 2), hash.slice(2, 4), hash);
  }
}

/** Marks a blob as stored just now; false when it is missing, or was cut off by a fault of the disk. */
async function touch(path: string, size: number): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(path, now, now);
    return (await stat(path)).size === size;
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Folders named by two hex digits: blobs lie two levels deep in them. */
async function foldersIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

/** Writes and hashes in one pass, and returns when the bytes are on the disk. */
async function writeDraft(path: string, bytes: Uint8Array | Readable): Promise<BlobInfo> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx');
  try {
    const parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array> =
      bytes instanceof Uint8Array ? [bytes] : bytes;
    for await (const part of parts) {
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

/** Makes a rename survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** BLOB_NOT_FOUND for a file that is missing; any other error stays as it is. */
const missing = (error: unknown, hash: string): unknown =>
  isFileError(error, 'ENOENT') ? blobMissing(hash) : error;
