/**
 * @file Deletes blobs that no record refers to: photos, pictures and adapters whose records were deleted, and blobs
 * of a process that crashed before it wrote the record. Recent blobs stay, because their record may not exist yet.
 */
import { randomUUID } from 'node:crypto';
import { KronaError } from '../core/errors.ts';
import { repeat } from '../core/retrying.ts';
import type { BlobStore } from './blobs/contract.ts';
import type { RecordStore } from './records.ts';

/** A blob is kept for at least this long, ms: longer than any command or job takes to write its record. */
const YOUNG = 24 * 3600_000;
const EVERY = 24 * 3600_000;
/** Pauses after sweeps that failed, ms. */
const AFTER_FAILURE = { first: 60_000, longest: EVERY };

/** A blob that no record names, put at the start of a sweep. Each has its own: workers can sweep at once, and delete theirs. */
const newProbe = () => Buffer.from(`Krona compares clocks with this file. ${randomUUID()}`);

/**
 * Runs one sweep.
 *
 * @returns how many blobs were deleted
 * @throws KronaError CLOCK_AHEAD where a blob of now counts as old: nothing is deleted then
 */
export async function sweepBlobs(
  records: Pick<RecordStore, 'blobsInUse'>,
  blobs: SweptBlobs,
  youngMs = YOUNG,
): Promise<number> {
  const before = new Date(Date.now() - youngMs);
  const probe = await putProbe(blobs);
  const old: string[] = [];
  for await (const hash of blobs.putBefore(before)) old.push(hash);
  if (probe !== null) {
    await blobs.delete(probe);
    // One who sweeps what is not old yet finds it too.
    if (youngMs > 0 && old.includes(probe)) throw clockAhead();
  }
  if (old.length === 0) return 0;
  // Read after the list: a blob that got a record since then was put again, which makes it recent.
  const used = await records.blobsInUse();
  let removed = 0;
  for (const hash of old) if (!used.has(hash) && (await blobs.deleteOlder(hash, before))) removed += 1;
  return removed;
}

type SweptBlobs = Pick<BlobStore, 'put' | 'delete' | 'putBefore' | 'deleteOlder'>;

/** The blob's name; null where nothing can be stored: a sweep may make the room. */
async function putProbe(blobs: SweptBlobs): Promise<string | null> {
  try {
    return (await blobs.put(newProbe())).hash;
  } catch (error) {
    if (error instanceof KronaError && error.code === 'DISK_FULL') return null;
    throw error;
  }
}

const clockAhead = (): KronaError =>
  new KronaError(
    'CLOCK_AHEAD',
    'The clock of this machine is a day or more ahead of the clock where photos, pictures and adapters are stored, so nothing old was deleted. Set the clocks.',
  );

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
  blobs: SweptBlobs,
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
