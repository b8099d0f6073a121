/** @file The queue between bot and worker, by meaning. Adapters: BullMQ on PostgreSQL (embedded or not) and on Redis. */
import type { JobKind, JobPayloads } from '../../core/job-payloads.ts';

export type JobState = 'waiting' | 'active' | 'completed' | 'failed' | 'cancelled' | 'unknown';

export interface JobContext<K extends JobKind> {
  readonly id: string;
  readonly payload: JobPayloads[K];
  /** 1 for the first start; more after a worker died in the middle of it, was closed, or a try failed. */
  readonly attempt: number;
  /** True when the job will not be tried again, should this try fail with a retryable error. */
  readonly lastTry: boolean;
  /**
   * Aborts with a KronaError as reason, upon which the handler ends soon:
   * JOB_CANCELLED: somebody cancelled it (already aborted at the start when that was before). It is cancelled
   * however the handler ends. JOB_INTERRUPTED: this worker is closing. The job comes again, unless the handler
   * returns, having done it after all. JOB_LOST: another worker has it; nothing more is to be written.
   */
  readonly signal: AbortSignal;
}

export type JobHandler<K extends JobKind> = (job: JobContext<K>) => Promise<void>;

export interface JobWorkerHandle {
  /** Stops taking jobs, aborts the running ones (they go back to the queue) and waits until they have ended. */
  close(): Promise<void>;
}

export interface JobQueue {
  /** Adds a job once: a second call with the same id does nothing. */
  enqueue<K extends JobKind>(kind: K, id: string, payload: JobPayloads[K]): Promise<void>;
  /**
   * Asks for the job's end; false when it had already ended. A running one's `signal` aborts within a second. A
   * waiting one counts as cancelled at once; its handler is still called when its turn comes, with an aborted
   * signal, so that there is one place which writes a job's end.
   */
  cancel(kind: JobKind, id: string): Promise<boolean>;
  state(kind: JobKind, id: string): Promise<JobState>;
  /** 1 for the next to run, 0 for a running one, null when it has ended, was cancelled or is not known. */
  position(kind: JobKind, id: string): Promise<number | null>;
  /**
   * Runs jobs of a kind, `concurrency` at once (default 1). A job whose worker died is given to the next worker
   * within some 15 s, with `attempt` raised, however often that happens. A KronaError that is not retryable fails
   * the job at once; after any other error it is tried again, three times in all.
   */
  work<K extends JobKind>(
    kind: K,
    handler: JobHandler<K>,
    options?: { concurrency?: number },
  ): Promise<JobWorkerHandle>;
  close(): Promise<void>;
}
