/** @file The queue between bot and worker. Implementations: BullMQ on PostgreSQL (embedded or not) and on Redis. */
import type { JobKind, JobOwner, JobPayloads } from '../../core/job-payloads.ts';
import type { OwnedJob } from '../../core/records.ts';

export type JobState = 'waiting' | 'active' | 'completed' | 'failed' | 'cancelled' | 'unknown';

export interface JobContext<K extends JobKind> {
  readonly id: string;
  readonly payload: JobPayloads[K];
  /** 1 for the first start; more after a worker crashed or was closed, or a try failed. */
  readonly attempt: number;
  /** How many workers have crashed while they ran it, since it last got further. */
  readonly crashes: number;
  /** True when the job is not tried again if this try fails with a retryable error before it gets further. */
  readonly lastTry: boolean;
  /**
   * The job has got further: something is done that no later attempt does again. Failed tries and crashes before don't
   * count any more. @throws KronaError REDIS_UNAVAILABLE, DATABASE_*
   */
  readonly advance: () => Promise<void>;
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
  /**
   * Stops taking jobs, interrupts the running ones (they go back to the queue) and waits for them.
   *
   * @param finishMs - how long running jobs can go on before they are interrupted; 0 by default. A later call can
   * shorten it
   */
  close(options?: { readonly finishMs?: number }): Promise<void>;
}

export interface WorkOptions<K extends JobKind> {
  /** Jobs that run at once; 1 by default. */
  readonly concurrency?: number;
  /**
   * Called before a job is taken: it can wait while the next one is better left to another worker.
   *
   * @param next - looks at the job that would be taken; null when there is none
   * @param signal - aborts when this worker stops taking jobs
   */
  readonly beforeTaking?: BeforeTaking<K>;
}

export type BeforeTaking<K extends JobKind> = (
  next: () => Promise<Pick<JobContext<K>, 'id' | 'payload'> | null>,
  signal: AbortSignal,
) => Promise<void>;

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
  /** Adds several jobs in their order, as `enqueue` does: the queue is read only once. */
  enqueueAll(jobs: readonly OwnedJob[]): Promise<void>;
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
   * Starts jobs that pause for longer than any pause lasts: where a clock was set back, they would wait as long. Called
   * from time to time, as it measures by itself how long they pause.
   */
  hasten(): Promise<void>;
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
   * Runs jobs of a kind. A job whose worker crashed goes to another worker within about 15 s, with a higher `attempt`,
   * however often that happens. A KronaError that is not retryable fails the job at once; after any other error it is
   * tried again until three tries in a row have failed without getting further (`advance`), and without limit after an outage
   * (`isOutage`) and JOB_LATER, with growing pauses up to a minute and a half. One that is JOB_AGAIN doesn't count: the
   * job runs again, before those that have not started, with the same `attempt`. Jobs of a later version than this
   * program's stay in the queue, and lose no attempt by that.
   */
  work<K extends JobKind>(
    kind: K,
    handler: JobHandler<K>,
    options?: WorkOptions<K>,
  ): Promise<JobWorkerHandle>;
  /** @throws KronaError REDIS_UNAVAILABLE, DATABASE_* when the queue can't be reached just now */
  check(): Promise<void>;
  close(): Promise<void>;
}
