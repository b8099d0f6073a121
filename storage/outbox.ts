/**
 * @file Moves jobs from the outbox table, where they were written in one transaction with their records, to the queue.
 * A crash in between loses and doubles nothing: a job leaves the table only after it is in the queue, and adding it
 * to the queue again does nothing.
 */
import { repeat } from '../core/retrying.ts';
import type { JobQueue } from './jobs/contract.ts';
import type { RecordStore } from './records.ts';

interface OutboxOptions {
  /** Pause between rounds, ms; default 200. */
  readonly intervalMs?: number;
  /** Receives the error of the first of several failed rounds; more rounds follow, with growing pauses. */
  readonly onError?: (error: unknown) => void;
}

/** Jobs moved in one round. */
const BATCH = 50;

/** Starts moving jobs; the returned function stops after the current round. Several processes can run it at once. */
export function relayOutbox(
  records: RecordStore,
  jobs: JobQueue,
  { intervalMs = 200, onError = () => {} }: OutboxOptions = {},
): () => Promise<void> {
  const stopping = new AbortController();
  const move = async () => {
    for (const { id, kind, payload } of await records.outboxJobs(BATCH)) {
      await jobs.enqueue(kind, id, payload);
      await records.removeOutboxJob(id);
    }
  };
  const relaying = repeat(move, { every: intervalMs, signal: stopping.signal, onError });
  return async () => {
    stopping.abort();
    await relaying;
  };
}
