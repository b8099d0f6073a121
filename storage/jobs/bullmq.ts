/**
 * @file The queue on BullMQ, in PostgreSQL or Redis. Each kind has its own queue, so a picture never waits behind a
 * training. Jobs and their outcomes outlive both processes.
 */
import type { JobState as BullState } from 'bullmq';
import type { JobKind, JobOwner, JobPayloads } from '../../core/job-payloads.ts';
import { asError, KronaError } from '../../core/errors.ts';
import { queueBackend, type KindJob, type KindQueue, type QueueBackend } from './bullmq-backend.ts';
import { startWorker } from './bullmq-worker.ts';
import { place, type Placed } from './turns.ts';
import type { JobHandler, JobQueue, JobState, JobWorkerHandle } from './contract.ts';

/**
 * Tries of a job that fails with a retryable error. Crashes of workers do not count: the handler decides by `attempt`
 * how often to start again after those.
 */
const MAX_TRIES = 3;

/** Pause before the second try, doubled for the third, ms. */
const RETRY_PAUSE = 1000;

/** Finished jobs are kept for a week, so that adding one of them again does nothing. */
const KEEP_ENDED = { age: 7 * 24 * 3600 };

/** The owner of jobs that are added without one. */
const NOBODY: JobOwner = { channelId: '', memberId: '' };

/** States of a job that has not ended: those that wait, in the order in which they run, then those that run. */
const WAITING = ['waiting', 'prioritized', 'delayed'] as const;

/**
 * Connects to the queues of every kind.
 *
 * @param url of a PostgreSQL database (`postgres:`) or a Redis server (`redis:`)
 * @param onError receives faults that BullMQ recovers from, such as a lost connection
 * @throws KronaError REDIS_UNAVAILABLE, DATABASE_*
 */
export async function openJobQueue(url: string, onError: (error: Error) => void): Promise<JobQueue> {
  const backend = await queueBackend(url, onError);
  const queues: Queues = {
    imagine: backend.newQueue('imagine'),
    train: backend.newQueue('train'),
    sweep: backend.newQueue('sweep'),
    pull: backend.newQueue('pull'),
  };
  const tell = (error: unknown) => onError(asError(backend.toError(error)));
  for (const queue of Object.values(queues)) {
    queue.on('error', tell);
    await queue.waitUntilReady();
  }
  return translated(new BullQueue(backend, queues, tell), (error) => backend.toError(error));
}

/** A queue with the errors of its server as Krona's. */
function translated(jobs: JobQueue, toError: QueueBackend['toError']): JobQueue {
  const told = <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((error: unknown) => {
      throw toError(error);
    });
  return {
    enqueue: (...job) => told(jobs.enqueue(...job)),
    unfinished: (kind) => told(jobs.unfinished(kind)),
    restore: (...job) => told(jobs.restore(...job)),
    cancel: (...job) => told(jobs.cancel(...job)),
    state: (...job) => told(jobs.state(...job)),
    // A card is shown all the same while the queue is away.
    position: (...job) => told(jobs.position(...job)).catch(unknownIfAway),
    positions: async (kind) => (await told(jobs.positions(kind)).catch(unknownIfAway)) ?? new Map(),
    work: (...how) => told(jobs.work(...how)),
    check: () => told(jobs.check()),
    close: () => jobs.close(),
  };
}

function unknownIfAway(error: unknown): null {
  if (error instanceof KronaError && error.retryable) return null;
  throw error;
}

type Queues = { readonly [K in JobKind]: KindQueue<K> };

class BullQueue implements JobQueue {
  readonly #backend: QueueBackend;
  readonly #queues: Queues;
  readonly #onError: (error: Error) => void;
  readonly #workers = new Set<JobWorkerHandle>();

  constructor(backend: QueueBackend, queues: Queues, onError: (error: Error) => void) {
    this.#backend = backend;
    this.#queues = queues;
    this.#onError = onError;
  }

  async enqueue<K extends JobKind>(
    kind: K,
    id: string,
    payload: JobPayloads[K],
    owner: JobOwner | null = null,
  ): Promise<void> {
    const queue: KindQueue<K> = this.#queues[kind];
    if (await queue.getJob(id)) return;
    const { channelId, memberId } = owner ?? NOBODY;
    const whose = { channelId, memberId };
    const { turn, round, moved } = place(whose, await placed(queue));
    // Those behind first, so that no job is ever in a round of another of its channel.
    for (const { id: other, round: priority } of moved.toReversed())
      await (await queue.getJob(other))?.changePriority({ priority });
    await queue.add(
      kind,
      { payload, owner: whose, turn },
      {
        jobId: id,
        priority: round,
        attempts: MAX_TRIES,
        backoff: { type: 'exponential', delay: RETRY_PAUSE },
        removeOnComplete: KEEP_ENDED,
        removeOnFail: KEEP_ENDED,
      },
    );
  }

  async unfinished(kind: JobKind): Promise<Set<string>> {
    const jobs = await this.#queues[kind].getJobs([...WAITING, 'active']);
    return new Set(jobs.flatMap(({ id }) => id ?? []));
  }

  async restore<K extends JobKind>(
    kind: K,
    id: string,
    payload: JobPayloads[K],
    owner: JobOwner | null,
  ): Promise<boolean> {
    const job = await this.#queues[kind].getJob(id);
    const state = (await job?.getState()) ?? 'unknown';
    if (state !== 'unknown' && state !== 'completed' && state !== 'failed') return false;
    try {
      // BullMQ adds no job whose id it knows.
      await job?.remove();
    } catch (error) {
      // Another process takes it away at the same time, to add it again.
      const now = await job?.getState();
      if (now === 'completed' || now === 'failed') throw error;
      return false;
    }
    await this.enqueue(kind, id, payload, owner);
    return true;
  }

  async cancel<K extends JobKind>(kind: K, id: string): Promise<boolean> {
    const queue: KindQueue<K> = this.#queues[kind];
    const job = await queue.getJob(id);
    if (!job) return false;
    const state = await stateOf(job);
    if (state !== 'waiting' && state !== 'active') return false;
    await job.updateData({ ...job.data, cancelled: true });
    return true;
  }

  async state(kind: JobKind, id: string): Promise<JobState> {
    const job = await this.#queues[kind].getJob(id);
    return job ? stateOf(job) : 'unknown';
  }

  async position(kind: JobKind, id: string): Promise<number | null> {
    return (await this.positions(kind)).get(id) ?? null;
  }

  async positions(kind: JobKind): Promise<ReadonlyMap<string, number>> {
    const queue = this.#queues[kind];
    const ids = async (...states: BullState[]): Promise<string[]> =>
      (await queue.getJobs(states, 0, -1, true)).flatMap(({ id, data }) =>
        data.cancelled ? [] : (id ?? []),
      );
    // In the order in which they run; those that wait for another try come last.
    const waiting = (await ids(...WAITING)).map((id, index) => [id, index + 1] as const);
    // Read last, as one that waited a moment ago may run now.
    const running = (await ids('active')).map((id) => [id, 0] as const);
    return new Map([...waiting, ...running]);
  }

  async work<K extends JobKind>(
    kind: K,
    handler: JobHandler<K>,
    { concurrency = 1 }: { concurrency?: number } = {},
  ): Promise<JobWorkerHandle> {
    const queue: KindQueue<K> = this.#queues[kind];
    const worker = await startWorker(this.#backend, {
      kind,
      queue,
      handler,
      concurrency,
      onError: this.#onError,
    });
    this.#workers.add(worker);
    return {
      close: async () => {
        this.#workers.delete(worker);
        await worker.close();
      },
    };
  }

  async check(): Promise<void> {
    await this.#queues.train.getJob('none');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.close()));
    // A server that is away can't be told.
    await Promise.all(Object.values(this.#queues).map((queue) => queue.close().catch(() => undefined)));
    await this.#backend.close();
  }
}

/** The unfinished jobs of a queue, with their turns. */
async function placed<K extends JobKind>(queue: KindQueue<K>): Promise<Placed[]> {
  const take = async (states: readonly BullState[], active: boolean): Promise<Placed[]> =>
    (await queue.getJobs([...states], 0, -1, true)).flatMap(({ id, data, priority }) =>
      id === undefined ? [] : { id, active, owner: data.owner, turn: data.turn, round: priority },
    );
  return [...(await take(WAITING, false)), ...(await take(['active'], true))];
}

async function stateOf(job: Pick<KindJob, 'data' | 'getState'>): Promise<JobState> {
  const state = STATES[await job.getState()];
  return job.data.cancelled && (state === 'failed' || state === 'waiting') ? 'cancelled' : state;
}

const STATES: Readonly<Record<BullState | 'prioritized' | 'unknown', JobState>> = {
  waiting: 'waiting',
  prioritized: 'waiting',
  delayed: 'waiting',
  'waiting-children': 'waiting',
  active: 'active',
  completed: 'completed',
  failed: 'failed',
  unknown: 'unknown',
};
