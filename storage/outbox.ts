/**
 * @file Moves jobs from the outbox table, where they were written in one transaction with their records, to the queue.
 * A crash in between loses and doubles nothing: a job leaves the table only after it is in the queue, and adding it
 * to the queue again does nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from '../core/backoff.ts';
import type { JobQueue } from './jobs/contract.ts';
import { restoreLostJobs } from './reconcile.ts';
import type { RecordStore } from './records.ts';

interface OutboxOptions {
  /** Pause between rounds, ms; default 200. */
  readonly intervalMs?: number;
  /** Pause between looks for lost jobs, ms; default 30 s. The first look is at the start. */
  readonly lookMs?: number;
  /** Receives the first error of a time in which rounds fail. They go on, with longer pauses. */
  readonly onError?: (error: unknown) => void;
  /** A round went well again. */
  readonly onRecovered?: () => void;
  /** Receives how many lost jobs were queued again, if there were any. */
  readonly onRestored?: (jobs: number) => void;
}

/** Jobs moved in one round. */
const BATCH = 50;

/** Longest pause between rounds that fail, ms. */
const LONGEST_PAUSE = 30_000;

/**
 * Starts moving jobs, and looks from time to time whether the queue has lost any (reconcile.ts). The returned function
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
  const backoff = new Backoff(2 * intervalMs, LONGEST_PAUSE);
  let failing = false;
  let nextLook = -Infinity;

  const round = async (): Promise<void> => {
    for (const { id, kind, payload, owner } of await records.outboxJobs(BATCH)) {
      await jobs.enqueue(kind, id, payload, owner);
      await records.removeOutboxJob(id);
    }
    if (performance.now() < nextLook) return;
    const restored = await restoreLostJobs(records, jobs);
    if (restored > 0) onRestored(restored);
    nextLook = performance.now() + lookMs;
  };

  /** @returns the pause until the next round, ms */
  const attempt = async (): Promise<number> => {
    try {
      await round();
    } catch (error) {
      if (!failing) onError(error);
      failing = true;
      return backoff.next();
    }
    if (failing) onRecovered();
    failing = false;
    backoff.reset();
    return intervalMs;
  };

  const relaying = (async () => {
    while (!stopping.signal.aborted)
      await sleep(await attempt(), undefined, { signal: stopping.signal }).catch(() => {});
  })();
  return async () => {
    stopping.abort();
    await relaying;
  };
}
