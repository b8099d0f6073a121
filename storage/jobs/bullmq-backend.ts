/** @file Where BullMQ keeps its jobs: PostgreSQL or Redis, told apart by the URL. */
import {
  createPostgresBackend,
  Queue,
  Worker,
  type BackendFactory,
  type ConnectionOptions,
  type Processor,
  type WorkerOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import { KronaError } from '../../core/errors.ts';

/** What BullMQ carries for a job of ours. */
export interface JobData {
  readonly payload: unknown;
  /** Set by whoever cancels; the worker looks for it while the job runs. */
  readonly cancelled?: true;
}

export interface QueueBackend {
  newQueue(name: string): Queue<JobData, void, string>;
  newWorker(
    name: string,
    processor: Processor<JobData, void, string>,
    options: Omit<WorkerOptions, 'connection'>,
  ): Worker<JobData, void, string>;
}

/** @throws KronaError REDIS_UNAVAILABLE when the URL names a Redis server that does not answer. */
export async function queueBackend(url: string): Promise<QueueBackend> {
  const isRedis = new URL(url).protocol.startsWith('redis');
  if (isRedis) await askRedis(url);
  // In PostgreSQL, BullMQ's tables are in "public", where every session looks by default: the embedded database's
  // only session is shared, and could not be given another search_path for some of its clients.
  const connection = (
    isRedis ? { url } : { connectionString: url, schema: 'public', migrate: true, max: 3 }
  ) as ConnectionOptions;
  const factory = (isRedis ? undefined : createPostgresBackend) as BackendFactory;
  return {
    newQueue: (name) => new Queue(name, { connection }, factory) as Queue<JobData, void, string>,
    newWorker: (name, processor, options) =>
      new Worker(name, processor, { ...options, connection }, factory) as Worker<JobData, void, string>,
  };
}

/** BullMQ itself would try to connect for ever, without a word. */
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
      'The Redis server named by REDIS_URL does not answer; check that it runs, or leave REDIS_URL out to keep jobs in the database.',
      { cause: error, retryable: true },
    );
  } finally {
    redis.disconnect();
  }
}
