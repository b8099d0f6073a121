/** @file Where BullMQ keeps its jobs: PostgreSQL or Redis, depending on the URL. */
import {
  createRedisBackend,
  PostgresConnection,
  PostgresQueueBackend,
  Queue,
  Worker,
  type BackendFactory,
  type ConnectionOptions,
  type IQueueBackend,
  type Job,
  type Processor,
  type WorkerOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import { Backoff } from '../../core/retrying.ts';
import type { JobKind, JobOwner, JobPayloads } from '../../core/job-payloads.ts';

/** What BullMQ stores for one of our jobs. */
interface JobData<K extends JobKind = JobKind> {
  readonly payload: JobPayloads[K];
  readonly owner: JobOwner;
  /** Of its owner in the channel (turns.ts). */
  readonly turn: number;
  /** Set by whoever cancels; the worker checks it while the job runs. */
  readonly cancelled?: true;
}

/** BullMQ's queue and worker of one kind, on whichever backend. */
export type KindQueue<K extends JobKind = JobKind> = Queue<
  JobData<K>,
  void,
  string,
  JobData<K>,
  void,
  string,
  IQueueBackend
>;
export type KindJob<K extends JobKind = JobKind> = Job<JobData<K>, void, string>;

export interface QueueBackend {
  newQueue<K extends JobKind>(kind: K): KindQueue<K>;
  newWorker<K extends JobKind>(
    kind: K,
    processor: Processor<JobData<K>, void, string>,
    options: Omit<WorkerOptions, 'connection'>,
  ): PatientWorker<K>;
  /** Ends the connections that queues and workers share; those must be closed. */
  close(): Promise<void>;
}

const queueName = (kind: JobKind): string => `krona-${kind}`;

/**
 * @param onError receives faults of the shared connections
 * @throws KronaError REDIS_UNAVAILABLE when the URL names a Redis server that does not answer
 */
export async function queueBackend(url: string, onError: (error: Error) => void): Promise<QueueBackend> {
  if (!new URL(url).protocol.startsWith('redis')) return postgresBackend(url, onError);
  await askRedis(url);
  return backendOf({ url }, createRedisBackend, async () => {});
}

/** Connections of one process for all its queues and workers. Workers share one more, which waits for notifications. */
const POSTGRES_CONNECTIONS = 2;

function postgresBackend(connectionString: string, onError: (error: Error) => void): QueueBackend {
  // BullMQ's tables are in "public", where every session looks by default: the embedded database has one session for
  // all clients, so no client can set its own search_path.
  const shared = new PostgresConnection({
    connectionString,
    schema: 'public',
    migrate: true,
    max: POSTGRES_CONNECTIONS,
  });
  shared.on('error', onError);
  const backends: IQueueBackend[] = [];
  // Only the owner of a connection hears that it was lost and replaced: the others have to listen again.
  shared.on('listenerinvalidated', () => {
    for (const backend of backends) void backend.reconnectBlocking();
  });
  const factory: BackendFactory<IQueueBackend> = (name, options) => {
    const made = new PostgresQueueBackend(shared, name, { ...options, connection: {} }, false);
    backends.push(made);
    return made;
  };
  return backendOf({}, factory, () => shared.close());
}

function backendOf(
  connection: ConnectionOptions,
  factory: BackendFactory<IQueueBackend>,
  close: () => Promise<void>,
): QueueBackend {
  return {
    newQueue: (kind) => new Queue(queueName(kind), { connection }, factory),
    newWorker: (kind, processor, options) =>
      new PatientWorker(queueName(kind), processor, { ...options, connection }, factory),
    close,
  };
}

/** Pause of a worker after a fault, ms: the first, and the longest. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/**
 * Pauses after a fault. BullMQ's own loop asks for the next job again at once after any error but a refused connection:
 * a server without a free connection, or one that is read-only, would be asked thousands of times a second.
 */
class PatientWorker<K extends JobKind> extends Worker<JobData<K>, void, string, IQueueBackend> {
  readonly #backoff = new Backoff({ first: FIRST_PAUSE, longest: LONGEST_PAUSE });
  readonly #closing = new AbortController();
  #failed = false;

  constructor(
    name: string,
    processor: Processor<JobData<K>, void, string>,
    options: WorkerOptions,
    factory: BackendFactory<IQueueBackend>,
  ) {
    super(name, processor, options, factory);
    this.on('error', () => (this.#failed = true));
  }

  protected override async moveToActive(token: string, name?: string): Promise<KindJob<K>> {
    if (this.#failed) {
      this.#failed = false;
      await sleep(this.#backoff.next(), undefined, { signal: this.#closing.signal }).catch(() => {});
    } else this.#backoff.reset();
    return super.moveToActive(token, name);
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
