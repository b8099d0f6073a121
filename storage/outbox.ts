/**
 * @file Moves jobs from the outbox table, where they were written in one transaction with their records, to the queue.
 * A crash in between loses and doubles nothing: a job leaves the table only after it is in the queue, and adding it
 * to the queue again does nothing.
 */
import { repeat } from '../core/retrying.ts';
import { spanOf } from '../core/tracing.ts';
import type { JobQueue } from './jobs/contract.ts';
import { restoreLostJobs } from './reconcile.ts';
import type { RecordStore } from './records.ts';
import { releaseWaiting } from './waiting-sets.ts';

interface OutboxOptions {
  /** Pause between rounds, ms; default 200. */
  readonly intervalMs?: number;
  /** Pause between looks for lost jobs, ms; default 30 s. The first look is at the start. */
  readonly lookMs?: number;
  /** Receives the error of the first of several failed rounds; more rounds follow, with growing pauses. */
  readonly onError?: (error: unknown) => void;
  /** A round went well again. */
  readonly onRecovered?: () => void;
  /** Receives how many lost jobs were queued again, if there were any. */
  readonly onRestored?: (jobs: number) => void;
}

/** Jobs moved in one round. */
const BATCH = 50;

/** Longest pause between rounds that fail, ms. */
const LONGEST_PAUSE = 10_000;

/**
 * Starts moving jobs, queues sets when the run has ended that they wait for, and looks from time to time whether the queue has lost any (reconcile.ts). The returned function
 * stops after the current round. Several processes can run it at once.
 */
export function relayOutbox(
  records: RecordStore,
  jobs: JobQueue,
  {
    intervalMs = 200,
    lookMs = 30_000,
    onError = () => {},
    onRecovered = () => {},
    onRestored = () => {},
  }: OutboxOptions = {},
): () => Promise<void> {
  const stopping = new AbortController();
  let nextLook = -Infinity;
  const round = async (): Promise<void> => {
    const added = await records.outboxJobs(BATCH);
    const began = Date.now();
    await jobs.enqueueAll(added);
    for (const { id, kind } of added) {
      spanOf(id, 'enqueue', began, { kind });
      await records.removeOutboxJob(id);
    }
    await releaseWaiting(records);
    if (performance.now() < nextLook) return;
    await jobs.hasten();
    const restored = await restoreLostJobs(records, jobs);
    if (restored > 0) onRestored(restored);
    nextLook = performance.now() + lookMs;
  };
  const relaying = repeat(round, {
    every: intervalMs,
    pauses: { first: 2 * intervalMs, longest: LONGEST_PAUSE },
    signal: stopping.signal,
    onError,
    onRecovered,
  });
  return async () => {
    stopping.abort();
    await relaying;
  };
}
