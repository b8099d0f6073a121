/** @file The queue between bot and worker, by meaning. Adapters: BullMQ on PostgreSQL (embedded or not) and on Redis. */
import type { JobKind, JobPayloads } from './payloads.ts';

export type JobState = 'waiting' | 'active' | 'completed' | 'failed' | 'cancelled' | 'unknown';

export interface JobContext<K extends JobKind> {
  readonly id: string;
  readonly payload: JobPayloads[K];
  /** 1 for the first try; more after a worker died in the middle of it. */
  readonly attempt: number;
  /** Aborts when somebody cancels the job, or when this worker has lost it to another. */
  readonly signal: AbortSignal;
}

export type JobHandler<K extends JobKind> = (job: JobContext<K>) => Promise<void>;

export interface JobWorkerHandle {
  /** Stops taking jobs, waits for the running ones to end or `signal` to abort them. */
  close(): Promise<void>;
}

export interface JobQueue {
  /** Adds a job once: a second call with the same id does nothing. */
  enqueue<K extends JobKind>(kind: K, id: string, payload: JobPayloads[K]): Promise<void>;
  /** Takes a waiting job out, or asks the worker that runs it to stop. False when it had already ended. */
  cancel(kind: JobKind, id: string): Promise<boolean>;
  state(kind: JobKind, id: string): Promise<JobState>;
  /** 1 for the next to run, 0 for a running one, null when it is not in the queue. */
  position(kind: JobKind, id: string): Promise<number | null>;
  /**
   * Runs jobs of a kind, `concurrency` at once (default 1). A job whose worker died is given to the next worker,
   * with `attempt` raised. A KronaError that is not retryable fails the job at once.
   */
  work<K extends JobKind>(
    kind: K,
    handler: JobHandler<K>,
    options?: { concurrency?: number },
  ): Promise<JobWorkerHandle>;
  close(): Promise<void>;
}
