/** @file The queue between bot and worker. Implementations: BullMQ on PostgreSQL (embedded or not) and on Redis. */
import type { JobKind, JobOwner, JobPayloads } from '../../core/job-payloads.ts';

export type JobState = 'waiting' | 'active' | 'completed' | 'failed' | 'cancelled' | 'unknown';

export interface JobContext<K extends JobKind> {
  readonly id: string;
  readonly payload: JobPayloads[K];
  /** 1 for the first start; more after a worker crashed or was closed, or a try failed. */
  readonly attempt: number;
  /** True when the job is not tried again if this try fails with a retryable error. */
  readonly lastTry: boolean;
  /**
   * Aborts with a KronaError as reason; the handler should then end soon. JOB_CANCELLED: somebody cancelled the job,
   * possibly before it started; it is cancelled however the handler ends. JOB_INTERRUPTED: this worker is closing;
   * the job runs again later unless the handler returns without an error. JOB_LOST: another worker has the job; this
   * handler must write nothing more.
   */
  readonly signal: AbortSignal;
}

export type JobHandler<K extends JobKind> = (job: JobContext<K>) => Promise<void>;

export interface JobWorkerHandle {
  /** Stops taking jobs, interrupts the running ones (they go back to the queue) and waits for them. */
  close(): Promise<void>;
}

export interface JobQueue {
  /**
   * Adds a job once: a second call with the same id does nothing. Turns go round by channel, and within a channel by
   * member, so a job can go before others that were added earlier.
   *
   * @param owner - whose turn it takes; jobs without one share their turns
   */
  enqueue<K extends JobKind>(
    kind: K,
    id: string,
    payload: JobPayloads[K],
    owner?: JobOwner | null,
  ): Promise<void>;
  /** Ids of all jobs that wait or run. */
  unfinished(kind: JobKind): Promise<Set<string>>;
  /** Adds a job again that is missing from the queue or has ended there. @returns false when it waits or runs */
  restore<K extends JobKind>(
    kind: K,
    id: string,
    payload: JobPayloads[K],
    owner: JobOwner | null,
  ): Promise<boolean>;
  /**
   * Cancels a job; false when it had already ended. A running job's `signal` aborts within a second. A waiting job
   * counts as cancelled at once; its handler is still called when its turn comes, with an aborted signal, so that
   * only the handler writes how a job ended.
   */
  cancel(kind: JobKind, id: string): Promise<boolean>;
  state(kind: JobKind, id: string): Promise<JobState>;
  /**
   * 1 for the next job to run, 0 for a running one, null when it has ended, was cancelled or is unknown, as while the
   * queue is away.
   */
  position(kind: JobKind, id: string): Promise<number | null>;
  /** The positions of all jobs that have one, by id, read at once. */
  positions(kind: JobKind): Promise<ReadonlyMap<string, number>>;
  /**
   * Runs jobs of a kind, `concurrency` at once (default 1). A job whose worker crashed goes to another worker within
   * about 15 s, with a higher `attempt`, however often that happens. A KronaError that is not retryable fails the job
   * at once; after any other error it is tried again, three times in all. One that is JOB_AGAIN doesn't count: the job runs
   * again, before those that have not started, with the same `attempt`.
   */
  work<K extends JobKind>(
    kind: K,
    handler: JobHandler<K>,
    options?: { concurrency?: number },
  ): Promise<JobWorkerHandle>;
  /** @throws KronaError REDIS_UNAVAILABLE, DATABASE_* when the queue can't be reached just now */
  check(): Promise<void>;
  close(): Promise<void>;
}
