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
import { asError, KronaError } from '../../core/errors.ts';
import { Backoff } from '../../core/backoff.ts';
import type { JobKind, JobOwner, JobPayloads } from '../../core/job-payloads.ts';
import { CONNECTING, KEEP_ALIVE, QUEUE } from '../patience.ts';
import { databaseError, retrying } from '../postgres/database.ts';

/** What BullMQ stores for one of our jobs. */
interface JobData<K extends JobKind = JobKind> {
  readonly payload: JobPayloads[K];
  readonly owner: JobOwner;
  /** Of its owner in the channel (turns.ts). */
  readonly turn: number;
  /** Of the payload; missing where a release before versions has added it: 1. */
  readonly version?: number;
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
    beforeTaking: ((signal: AbortSignal) => Promise<void>) | null,
  ): PatientWorker<K>;
  /** A job wakes only one idle worker, so that others must look for themselves. */
  readonly wakesOne: boolean;
  /** What a failure of the queue's server means. */
  toError(error: unknown): unknown;
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
  return redisBackend(url);
}

/** Connections of one process for all its queues and workers. Workers share one more, which waits for notifications. */
const POSTGRES_CONNECTIONS = 1;

/**
 * A connection whose workers begin to listen one after the other. All do so at the same moment, at the start and after a lost
 * connection, and pg deprecates a query on a client that runs another.
 */
class SharedConnection extends PostgresConnection {
  readonly #orderly = new WeakSet<object>();

  override async getListenClient(): ReturnType<PostgresConnection['getListenClient']> {
    const client = await super.getListenClient();
    if (!this.#orderly.has(client)) {
      this.#orderly.add(client);
      const query = client.query.bind(client);
      let last: Promise<unknown> = Promise.resolve();
      client.query = <R>(text: string, params?: readonly unknown[]) => {
        const next = last.then(() => query<R>(text, params));
        last = next.catch(() => undefined);
        return next;
      };
    }
    return client;
  }
}

async function postgresBackend(
  connectionString: string,
  onError: (error: Error) => void,
): Promise<QueueBackend> {
  // BullMQ's tables are in "public", where every session looks by default: the embedded database has one session for
  // all clients, so no client can set its own search_path.
  const tell = (error: unknown) => onError(asError(databaseError(error)));
  const shared = await retrying(async () => {
    const connection = new SharedConnection({
      connectionString,
      schema: 'public',
      migrate: true,
      max: POSTGRES_CONNECTIONS,
      connectionTimeoutMillis: CONNECTING,
      query_timeout: QUEUE,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE,
    });
    connection.on('error', tell);
    // One that could not connect stays so.
    await connection.waitUntilReady().catch(async (error: unknown) => {
      await connection.close();
      throw databaseError(error);
    });
    return connection;
  });
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
  return backendOf({}, {}, factory, databaseError, false, () => shared.close());
}

function redisBackend(url: string): QueueBackend {
  // A question fails at once while the server is away: by default it would wait for minutes.
  const patience = QUEUE / 2;
  const asking = {
    url,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    // A lost connection is replaced, and who asked on it is told: each does only one of both.
    socketTimeout: patience,
    commandTimeout: patience,
  };
  return backendOf(
    asking,
    { url, socketTimeout: QUEUE },
    createRedisBackend,
    redisError,
    true,
    async () => {},
  );
}

function backendOf(
  asking: ConnectionOptions,
  working: ConnectionOptions,
  factory: BackendFactory<IQueueBackend>,
  toError: QueueBackend['toError'],
  wakesOne: boolean,
  close: () => Promise<void>,
): QueueBackend {
  return {
    newQueue: (kind) => new Queue(queueName(kind), { connection: asking }, factory),
    newWorker: (kind, processor, options, beforeTaking) =>
      new PatientWorker(
        queueName(kind),
        processor,
        { ...options, connection: working },
        factory,
        beforeTaking,
      ),
    toError,
    wakesOne,
    close,
  };
}

/** Pause of a worker after a fault, ms: the first, and the longest. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/**
 * Waits before it takes a job where it is told to, and pauses after a fault. BullMQ's own loop asks for the next job again at once after any error but a refused connection:
 * a server without a free connection, or one that is read-only, would be asked thousands of times a second.
 */
class PatientWorker<K extends JobKind> extends Worker<JobData<K>, void, string, IQueueBackend> {
  readonly #backoff = new Backoff({ first: FIRST_PAUSE, longest: LONGEST_PAUSE });
  readonly #closing = new AbortController();
  readonly #beforeTaking: ((signal: AbortSignal) => Promise<void>) | null;
  #failed = false;

  constructor(
    name: string,
    processor: Processor<JobData<K>, void, string>,
    options: WorkerOptions,
    factory: BackendFactory<IQueueBackend>,
    beforeTaking: ((signal: AbortSignal) => Promise<void>) | null,
  ) {
    super(name, processor, options, factory);
    this.#beforeTaking = beforeTaking;
    this.on('error', () => (this.#failed = true));
  }

  protected override async moveToActive(token: string, name?: string): Promise<KindJob<K>> {
    if (this.#failed) {
      this.#failed = false;
      await sleep(this.#backoff.next(), undefined, { signal: this.#closing.signal }).catch(() => {});
    } else this.#backoff.reset();
    await this.#beforeTaking?.(this.#closing.signal);
    return super.moveToActive(token, name);
  }

  /** By default, the end of a job takes the next one without `moveToActive`. */
  override processJob(
    job: KindJob<K>,
    token: string,
    fetchNext: () => boolean = () => true,
  ): Promise<void | KindJob<K>> {
    return super.processJob(job, token, this.#beforeTaking === null ? fetchNext : () => false);
  }

  override close(force?: boolean): Promise<void> {
    this.#closing.abort();
    return super.close(force);
  }
}

/** Options for a look at a server: a server that takes connections and says nothing is away, too. */
export const ASKED_ONCE = {
  lazyConnect: true,
  connectTimeout: CONNECTING,
  commandTimeout: CONNECTING,
  retryStrategy: () => null,
} as const;

/** Checks that Redis answers: BullMQ itself would try to connect for ever, without an error. */
async function askRedis(url: string): Promise<void> {
  const redis = new Redis(url, ASKED_ONCE);
  // Without a listener the client prints the error that `connect` throws as well.
  redis.on('error', () => {});
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw redisUnavailable(error);
  } finally {
    redis.disconnect();
  }
}

/** What ioredis says of a server that it has lost. */
const REDIS_LOST =
  /ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|Connection is closed|isn't writeable|max retries|[Tt]imed? ?out|^(LOADING|MASTERDOWN|CLUSTERDOWN)/;

const redisError = (error: unknown): unknown =>
  error instanceof Error && REDIS_LOST.test(`${error.message} ${String('code' in error ? error.code : '')}`)
    ? redisUnavailable(error)
    : error;

export const redisUnavailable = (cause: unknown): KronaError =>
  new KronaError(
    'REDIS_UNAVAILABLE',
    'The Redis server in REDIS_URL does not answer. Check that it is running, or unset REDIS_URL to keep jobs in the database.',
    { cause, retryable: true },
  );
