/**
 * @file Removes blobs that no record names any more: photos, pictures and adapters whose records were deleted, and
 * what a process stored that died before it wrote the record. Young ones stay, as their record may be on its way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from './blobs/contract.ts';
import type { RecordStore } from './records.ts';

/** A blob is left alone for this long after it was put, ms: longer than any command or job takes to name it. */
const YOUNG = 24 * 3600_000;
const EVERY = 24 * 3600_000;

/** @returns how many were removed */
export async function sweepBlobs(
  records: Pick<RecordStore, 'blobsInUse'>,
  blobs: Pick<BlobStore, 'putBefore' | 'deleteOlder'>,
  youngMs = YOUNG,
): Promise<number> {
  const before = new Date(Date.now() - youngMs);
  const old: string[] = [];
  for await (const hash of blobs.putBefore(before)) old.push(hash);
  if (old.length === 0) return 0;
  // Read after the list: what has been named since then was put again, which makes it young.
  const used = await records.blobsInUse();
  let removed = 0;
  for (const hash of old) if (!used.has(hash) && (await blobs.deleteOlder(hash, before))) removed += 1;
  return removed;
}

export interface SweepOptions {
  readonly onSwept: (removed: number) => void;
  /** Hears why a sweep failed; the next one follows all the same. */
  readonly onError: (error: unknown) => void;
}

/** Sweeps now and then daily; the returned function stops it, after the sweep under way. */
export function sweepDaily(
  records: Pick<RecordStore, 'blobsInUse'>,
  blobs: Pick<BlobStore, 'putBefore' | 'deleteOlder'>,
  { onSwept, onError }: SweepOptions,
): () => Promise<void> {
  const stopping = new AbortController();
  const sweeping = (async () => {
    while (!stopping.signal.aborted) {
      await sweepBlobs(records, blobs).then(onSwept, onError);
      await sleep(EVERY, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return async () => {
    stopping.abort();
    await sweeping;
  };
}
