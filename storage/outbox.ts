/**
 * @file Moves jobs from the records, where they were written together with what they are about, to the queue. A
 * crash in between loses and doubles nothing: a job is removed here only after it is there, and adding it there
 * again does nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobQueue } from './jobs/contract.ts';
import type { RecordStore } from './records.ts';

export interface OutboxOptions {
  /** Pause between looks, ms; default 200. */
  readonly intervalMs?: number;
  /** Hears why a look failed; the next one follows all the same. */
  readonly onError?: (error: unknown) => void;
}

/** Jobs moved in one go. */
const BATCH = 50;

/** Starts moving; the returned function stops it, after the look under way. Several may run at once. */
export function relayOutbox(
  records: RecordStore,
  jobs: JobQueue,
  { intervalMs = 200, onError = () => {} }: OutboxOptions = {},
): () => Promise<void> {
  const stopping = new AbortController();
  const relaying = (async () => {
    while (!stopping.signal.aborted) {
      try {
        for (const { id, kind, payload } of await records.outboxJobs(BATCH)) {
          await jobs.enqueue(kind, id, payload);
          await records.removeOutboxJob(id);
        }
      } catch (error) {
        onError(error);
      }
      await sleep(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return async () => {
    stopping.abort();
    await relaying;
  };
}
