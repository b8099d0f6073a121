/**
 * @file The queue on BullMQ, in PostgreSQL or Redis. Each kind has its own queue, so a picture never waits behind a
 * training. Jobs and their outcomes outlive both processes.
 */
import type { JobState as BullState } from 'bullmq';
import { JOB_VERSION, type JobKind, type JobOwner, type JobPayloads } from '../../core/job-payloads.ts';
import { asError, KronaError } from '../../core/errors.ts';
import type { OutboxJob, OwnedJob } from '../../core/records.ts';
import { JobAdder, WAITING } from './adding.ts';
import { queueBackend, type KindJob, type KindQueue, type QueueBackend } from './bullmq-backend.ts';
import { LONGEST_PAUSE, startWorker } from './bullmq-worker.ts';
import type { JobHandler, JobQueue, JobState, JobWorkerHandle, WorkOptions } from './contract.ts';

/**
 * Connects to the queues of every kind.
 *
 * @param url of a PostgreSQL database (`postgres:`) or a Redis server (`redis:`)
 * @param onError receives faults that BullMQ recovers from, such as a lost connection, and JOB_TOO_NEW
 * @param version of the jobs that are added, and the latest that are taken
 * @throws KronaError REDIS_UNAVAILABLE, DATABASE_*
 */
export async function openJobQueue(
  url: string,
  onError: (error: Error) => void,
  version = JOB_VERSION,
): Promise<JobQueue> {
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
  return translated(new BullQueue(backend, queues, tell, version), (error) => backend.toError(error));
}

/** A queue with the errors of its server as Krona's. */
function translated(jobs: JobQueue, toError: QueueBackend['toError']): JobQueue {
  const told = <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((error: unknown) => {
      throw toError(error);
    });
  return {
    enqueue: (...job) => told(jobs.enqueue(...job)),
    enqueueAll: (added) => told(jobs.enqueueAll(added)),
    unfinished: (kind) => told(jobs.unfinished(kind)),
    restore: (...job) => told(jobs.restore(...job)),
    hasten: () => told(jobs.hasten()),
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
type Adders = { readonly [K in JobKind]: JobAdder<K> };

class BullQueue implements JobQueue {
  readonly #backend: QueueBackend;
  readonly #queues: Queues;
  readonly #onError: (error: Error) => void;
  readonly #adders: Adders;
  readonly #version: number;
  readonly #workers = new Set<JobWorkerHandle>();
  /** Jobs that paused at the last look, and since when, by the clock that nobody sets. */
  #paused = new Map<string, number>();

  constructor(backend: QueueBackend, queues: Queues, onError: (error: Error) => void, version: number) {
    this.#version = version;
    this.#adders = {
      imagine: new JobAdder(queues.imagine, 'imagine', version),
      train: new JobAdder(queues.train, 'train', version),
      sweep: new JobAdder(queues.sweep, 'sweep', version),
      pull: new JobAdder(queues.pull, 'pull', version),
    };
    this.#backend = backend;
    this.#queues = queues;
    this.#onError = onError;
  }

  enqueue<K extends JobKind>(
    kind: K,
    id: string,
    payload: JobPayloads[K],
    owner: JobOwner | null = null,
  ): Promise<void> {
    const adder: JobAdder<K> = this.#adders[kind];
    return adder.add([{ id, payload, owner }]);
  }

  async enqueueAll(jobs: readonly OwnedJob[]): Promise<void> {
    await this.#enqueueKind('train', jobs);
    await this.#enqueueKind('sweep', jobs);
    await this.#enqueueKind('imagine', jobs);
    await this.#enqueueKind('pull', jobs);
  }

  #enqueueKind<K extends JobKind>(kind: K, jobs: readonly OwnedJob[]): Promise<void> {
    const adder: JobAdder<K> = this.#adders[kind];
    return adder.add(jobs.filter((job): job is OwnedJob & OutboxJob<K> => job.kind === kind));
  }

  async unfinished(kind: JobKind): Promise<Set<string>> {
    return new Set(await this.#queues[kind].getRanges([...WAITING, 'active'], 0, -1));
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

  async hasten(): Promise<void> {
    const before = this.#paused;
    this.#paused = new Map();
    for (const queue of Object.values(this.#queues))
      for (const job of await queue.getDelayed(0, -1)) {
        const key = `${queue.name} ${job.id} ${job.attemptsStarted}`;
        const since = before.get(key) ?? performance.now();
        this.#paused.set(key, since);
        if (performance.now() - since < LONGEST_PAUSE) continue;
        // It can have begun since.
        await job.promote().catch(async (error: unknown) => {
          if ((await job.getState()) === 'delayed') throw error;
        });
      }
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
    options: WorkOptions<K> = {},
  ): Promise<JobWorkerHandle> {
    const queue: KindQueue<K> = this.#queues[kind];
    const worker = await startWorker(this.#backend, {
      ...options,
      kind,
      queue,
      handler,
      version: this.#version,
      onError: this.#onError,
    });
    this.#workers.add(worker);
    return {
      close: async (how) => {
        await worker.close(how);
        this.#workers.delete(worker);
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
