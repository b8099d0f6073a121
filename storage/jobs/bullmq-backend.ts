/** @file Where BullMQ keeps its jobs: PostgreSQL or Redis, depending on the URL. */
import { createPostgresBackend, type Job, Queue, Worker, type Processor, type WorkerOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import { Backoff } from '../../core/retrying.ts';
import type { JobKind, JobPayloads } from '../../core/job-payloads.ts';

/** What BullMQ stores for one of our jobs. */
export interface JobData<K extends JobKind = JobKind> {
  readonly payload: JobPayloads[K];
  /** Set by whoever cancels; the worker checks it while the job runs. */
  readonly cancelled?: true;
}

export type KindQueue<K extends JobKind = JobKind> = Queue<JobData<K>, void, string>;

export interface QueueBackend {
  newQueue<K extends JobKind>(kind: K): KindQueue<K>;
  newWorker<K extends JobKind>(
    kind: K,
    processor: Processor<JobData<K>, void, string>,
    options: Omit<WorkerOptions, 'connection'>,
  ): Worker<JobData<K>, void, string>;
}

const queueName = (kind: JobKind): string => `krona-${kind}`;

/** @throws KronaError REDIS_UNAVAILABLE when the URL names a Redis server that does not answer */
export async function queueBackend(url: string): Promise<QueueBackend> {
  if (!new URL(url).protocol.startsWith('redis')) return postgresBackend(url);
  await askRedis(url);
  const connection = { url };
  return {
    newQueue: (kind) => new Queue(queueName(kind), { connection }),
    newWorker: (kind, processor, options) =>
      new PacedWorker(queueName(kind), processor, { ...options, connection }),
  };
}

function postgresBackend(connectionString: string): QueueBackend {
  // BullMQ's tables are in "public", where every session looks by default: the embedded database has one session for
  // all clients, so no client can set its own search_path.
  const connection = { connectionString, schema: 'public', migrate: true, max: 1 };
  return {
    newQueue: <K extends JobKind>(kind: K) =>
      new Queue(queueName(kind), { connection }, createPostgresBackend) as unknown as KindQueue<K>,
    newWorker: (kind, processor, options) =>
      // The same class with another backend: its types differ in parts that nothing here uses.
      new PacedWorker(queueName(kind), processor, { ...options, connection }, createPostgresBackend as never),
  };
}

/** Longest pause of a worker whose queue fails, ms. */
const LONGEST_PAUSE = 30_000;

/** BullMQ's worker asks again at once when a database refuses to answer; this one pauses first. */
class PacedWorker<K extends JobKind> extends Worker<JobData<K>, void, string> {
  readonly #backoff = new Backoff({ first: 500, longest: LONGEST_PAUSE });
  readonly #closing = new AbortController();

  protected override async moveToActive(
    ...given: Parameters<Worker<JobData<K>, void, string>['moveToActive']>
  ): Promise<Job<JobData<K>, void, string>> {
    try {
      const job = await super.moveToActive(...given);
      this.#backoff.reset();
      return job;
    } catch (error) {
      await sleep(this.#backoff.next(), undefined, { signal: this.#closing.signal }).catch(() => undefined);
      throw error;
    }
  }

  override close(force?: boolean): Promise<void> {
    this.#closing.abort();
    return super.close(force);
  }
}

/** Checks that Redis answers: BullMQ itself would try to connect for ever, without an error. */
async function askRedis(url: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 10_000, retryStrategy: () => null });
  // Without a listener the client prints the error that `connect` throws as well.
  redis.on('error', () => {});
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw new KronaError(
      'REDIS_UNAVAILABLE',
      'The Redis server in REDIS_URL does not answer. Check that it is running, or unset REDIS_URL to keep jobs in the database.',
      { cause: error, retryable: true },
    );
  } finally {
    redis.disconnect();
  }
}
