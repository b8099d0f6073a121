/**
 * @file Deletes blobs that no record refers to: photos, pictures and adapters whose records were deleted, and blobs
 * of a process that crashed before it wrote the record. Recent blobs stay, because their record may not exist yet.
 */
import { repeat } from '../core/retrying.ts';
import type { BlobStore } from './blobs/contract.ts';
import type { RecordStore } from './records.ts';

/** A blob is kept for at least this long, ms: longer than any command or job takes to write its record. */
const YOUNG = 24 * 3600_000;
const EVERY = 24 * 3600_000;
/** Pauses after sweeps that failed, ms. */
const AFTER_FAILURE = { first: 60_000, longest: EVERY };

/** Runs one sweep. @returns how many blobs were deleted */
export async function sweepBlobs(
  records: Pick<RecordStore, 'blobsInUse'>,
  blobs: Pick<BlobStore, 'putBefore' | 'deleteOlder'>,
  youngMs = YOUNG,
): Promise<number> {
  const before = new Date(Date.now() - youngMs);
  const old: string[] = [];
  for await (const hash of blobs.putBefore(before)) old.push(hash);
  if (old.length === 0) return 0;
  // Read after the list: a blob that got a record since then was put again, which makes it recent.
  const used = await records.blobsInUse();
  let removed = 0;
  for (const hash of old) if (!used.has(hash) && (await blobs.deleteOlder(hash, before))) removed += 1;
  return removed;
}

interface SweepOptions {
  /** What else is swept, before the blobs; nothing by default. */
  readonly before?: () => Promise<void>;
  readonly onSwept: (removed: number) => void;
  /** Receives the error of a failed sweep; the next sweep follows. */
  readonly onError: (error: unknown) => void;
}

/** Sweeps at once and then daily; the returned function stops after the current sweep. */
export function sweepDaily(
  records: Pick<RecordStore, 'blobsInUse'>,
  blobs: Pick<BlobStore, 'putBefore' | 'deleteOlder'>,
  { before = async () => {}, onSwept, onError }: SweepOptions,
): () => Promise<void> {
  const stopping = new AbortController();
  const sweep = async (): Promise<void> => {
    await before();
    onSwept(await sweepBlobs(records, blobs));
  };
  const sweeping = repeat(sweep, {
    every: EVERY,
    pauses: AFTER_FAILURE,
    signal: stopping.signal,
    onError,
  });
  return async () => {
    stopping.abort();
    await sweeping;
  };
}
