/** @file Copies all blobs of a store into another. What is there already is not copied again, so a copy can be stopped. */
import { createHash } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import type { BlobStore } from './contract.ts';

/** Blobs copied at once. */
const AT_ONCE = 4;
/** After every blob. */
const ALL = new Date(8.64e15);

export interface CopyOptions {
  /** Also reads each blob in the target again and compares its hash; damaged ones are copied again. */
  readonly check: boolean;
  /** Ends the copy after the blobs under way. */
  readonly signal: AbortSignal;
  /** After each blob. */
  readonly onProgress: (done: number, all: number) => void;
}

export interface CopyResult {
  readonly copied: number;
  /** Bytes copied. */
  readonly bytes: number;
  /** Were in the target before. */
  readonly kept: number;
  /** Blobs whose bytes in the source don't have their hash. They are not copied. */
  readonly damaged: readonly string[];
}

/** @throws KronaError as both stores; the signal's reason when it aborts */
export async function copyBlobs(
  from: BlobStore,
  to: BlobStore,
  { check, signal, onProgress }: CopyOptions,
): Promise<CopyResult> {
  const hashes: string[] = [];
  for await (const hash of from.putBefore(ALL)) hashes.push(hash);
  const result = { copied: 0, bytes: 0, kept: 0, damaged: [] as string[] };
  let done = 0;
  const failed = new AbortController();
  const waiting = hashes.values();
  const copyRest = async (): Promise<void> => {
    for (const hash of waiting) {
      signal.throwIfAborted();
      failed.signal.throwIfAborted();
      const outcome = await copyBlob(from, to, hash, check);
      if (outcome === 'kept') result.kept += 1;
      else if (outcome === 'damaged') result.damaged.push(hash);
      else if (outcome !== 'gone') {
        result.copied += 1;
        result.bytes += outcome;
      }
      onProgress(++done, hashes.length);
    }
  };
  // Each ends before this does: the stores are closed after it.
  const copying = Array.from({ length: AT_ONCE }, () =>
    copyRest().catch((error: unknown) => failed.abort(error)),
  );
  await Promise.all(copying);
  failed.signal.throwIfAborted();
  return result;
}

/** @returns the bytes that were copied, or why none were */
async function copyBlob(
  from: BlobStore,
  to: BlobStore,
  hash: string,
  check: boolean,
): Promise<number | 'kept' | 'damaged' | 'gone'> {
  try {
    const [source, target] = await Promise.all([from.stat(hash), to.stat(hash)]);
    if (source === null) return 'gone';
    if (target !== null) {
      // Where the sizes differ, it may be the source that is damaged.
      if ((target.size === source.size && !check) || (await isWhole(to, hash))) return 'kept';
      await to.delete(hash);
    }
    const stored = await to.put(await from.stream(hash));
    // No record names these bytes, so the next sweep removes them.
    if (stored.hash !== hash) return 'damaged';
    if (check && !(await isWhole(to, hash)))
      throw new KronaError(
        'BLOB_DAMAGED',
        `The blob ${hash} has other bytes in the target than were sent. Check its disk, and copy again.`,
      );
    return stored.size;
  } catch (error) {
    // Krona may be running, and members delete what they sent.
    if (error instanceof KronaError && error.code === 'BLOB_NOT_FOUND') return 'gone';
    throw error;
  }
}

async function isWhole(store: BlobStore, hash: string): Promise<boolean> {
  const sum = createHash('sha256');
  for await (const part of (await store.stream(hash)) as AsyncIterable<Uint8Array>) sum.update(part);
  return sum.digest('hex') === hash;
}
