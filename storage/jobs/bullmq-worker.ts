/** @file Takes jobs of one kind and runs them: cancellation, interruption, and which errors are tried again. */
import { DelayedError, UnrecoverableError, WaitingError } from 'bullmq';
import { pauseAfter } from '../../core/backoff.ts';
import { asError, isOutage, KronaError } from '../../core/errors.ts';
import { RecentSet } from '../../core/recent.ts';
import { repeat } from '../../core/retrying.ts';
import type { KindJob, KindQueue, QueueBackend } from './bullmq-backend.ts';
import type { JobHandler, JobWorkerHandle, WorkOptions } from './contract.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import { Standing } from './standing.ts';
import { FIRST_ROUND } from './turns.ts';

/**
 * How long a job belongs to a worker that does not renew its claim, ms. A dead worker's job is found by the next
 * look after that: after at most LOCK + 2 · LOOK = 16 s, usually 10 s. A living worker renews every 2 to 4 s from a
 * loop that is never blocked for long, because the model's sessions run in a child process.
 */
const LOCK = 10_000;
const RENEW = 4_000;
const LOOK = 3_000;

/** How often a running job is checked for cancellation, ms; and at least how often while the checks fail. */
const CANCEL_CHECK = 400;
const LONGEST_CANCEL_CHECK = 10_000;

/** Pause before a job is offered again that this program is too old for, ms: a newer worker takes it meanwhile. */
const TOO_NEW_PAUSE = 2_000;

/** Jobs that are remembered as told to be too new. */
const TOLD = 1_000;

/** Pauses of a job after a failed try or a server's outage, ms. */
const PAUSES = { first: 1_000, longest: 60_000 };

/** No job pauses longer, ms: half of a pause can be added by chance. */
export const LONGEST_PAUSE = 1.5 * PAUSES.longest;

/** Longest wait of an idle worker before it looks by itself, s. A fallback where each new job wakes all. */
const LOOK_ANYWAY = 5;
/** The same where a job wakes one worker, which can leave it to this one. */
const LOOK_OFTEN = 0.5;

/** Jobs taken from a dead worker run before those that have not started. */
const PRIORITY_AGAIN = FIRST_ROUND - 1;

interface WorkerSettings<K extends JobKind> extends WorkOptions<K> {
  readonly kind: K;
  readonly queue: KindQueue<K>;
  readonly handler: JobHandler<K>;
  /** The latest version of jobs that the handler understands. */
  readonly version: number;
  readonly onError: (error: Error) => void;
}

/** Starts taking jobs; resolves when the worker is connected. */
export async function startWorker<K extends JobKind>(
  backend: QueueBackend,
  settings: WorkerSettings<K>,
): Promise<JobWorkerHandle> {
  const { kind, queue, concurrency = 1, beforeTaking, onError } = settings;
  // An error pauses the worker: while a server is away, every other job would fail too.
  const jobs = new RunningJobs(settings, (error) => worker.emit('error', error));
  const next = async () => {
    const [job] = await queue.getJobs(['waiting', 'prioritized'], 0, 0, true);
    return job?.id === undefined ? null : { id: job.id, payload: job.data.payload };
  };
  const worker = backend.newWorker(
    kind,
    (job, token) => jobs.run(job, token),
    {
      concurrency,
      lockDuration: LOCK,
      lockRenewTime: RENEW,
      stalledInterval: LOOK,
      // The handler sees `attempt` and decides itself when to give up, so that it can also write that to the records.
      maxStalledCount: 2 ** 31 - 1,
      drainDelay: beforeTaking && backend.wakesOne ? LOOK_OFTEN : LOOK_ANYWAY,
      runRetryDelay: 1000,
    },
    // A fault of the waiting must not keep jobs waiting.
    beforeTaking
      ? (signal) => beforeTaking(next, signal).catch((error: unknown) => onError(asError(error)))
      : null,
  );
  worker.on('error', onError);
  worker.on('lockRenewalFailed', (ids) => jobs.abort(ids, lost));
  worker.on('stalled', (id) => {
    void queue
      .getJob(id)
      .then((job) => job?.changePriority({ priority: PRIORITY_AGAIN }))
      .catch(onError);
  });
  await worker.waitUntilReady();
  return {
    async close({ finishMs = 0 } = {}) {
      const interrupting = setTimeout(() => jobs.interruptAll(), finishMs);
      if (finishMs === 0) jobs.interruptAll();
      await worker.close();
      clearTimeout(interrupting);
    },
  };
}

/** The jobs that a worker runs, with what can end them early. */
class RunningJobs<K extends JobKind> {
  readonly #settings: WorkerSettings<K>;
  readonly #onOutage: (error: Error) => void;
  readonly #running = new Map<string, AbortController>();
  /** Told already: one that stays is offered again and again. */
  readonly #tooNew = new RecentSet<string>(TOLD);
  #closing = false;

  /** @param onOutage - a job has failed because a server is away */
  constructor(settings: WorkerSettings<K>, onOutage: (error: Error) => void) {
    this.#settings = settings;
    this.#onOutage = onOutage;
  }

  async run(job: KindJob<K>, token?: string): Promise<void> {
    const { id } = job;
    if (id === undefined) throw new UnrecoverableError('A job without an id.');
    const { version = 1 } = job.data;
    const standing = new Standing(job);
    if (version > this.#settings.version) {
      if (this.#tooNew.add(id)) this.#settings.onError(tooNew(id, version, this.#settings.version));
      await standing.discount();
      return this.#putOff(job, token, TOO_NEW_PAUSE);
    }
    const abort = new AbortController();
    this.#running.set(id, abort);
    if (job.data.cancelled) abort.abort(cancelled());
    else if (this.#closing) abort.abort(interrupted());
    void this.#watch(id, abort);
    try {
      await this.#settings.handler({
        id,
        payload: job.data.payload,
        attempt: standing.attempt,
        crashes: standing.crashes,
        lastTry: standing.isLastTry,
        advance: () => standing.advance(),
        signal: abort.signal,
      });
      if (isReason(abort.signal, 'JOB_CANCELLED')) throw new UnrecoverableError('JOB_CANCELLED');
    } catch (error) {
      return await this.#afterError(job, token, { standing, signal: abort.signal }, error);
    } finally {
      this.#running.delete(id);
    }
  }

  /** @throws always: what BullMQ must know of the job */
  async #afterError(
    job: KindJob<K>,
    token: string | undefined,
    { standing, signal }: { readonly standing: Standing<K>; readonly signal: AbortSignal },
    error: unknown,
  ): Promise<never> {
    const code = error instanceof KronaError ? error.code : null;
    if (isReason(signal, 'JOB_CANCELLED')) throw new UnrecoverableError('JOB_CANCELLED');
    // Another worker has it: what stands with it is no longer this one's.
    if (isReason(signal, 'JOB_LOST')) throw error;
    if (isReason(signal, 'JOB_INTERRUPTED')) return putBack(job, token);
    if (code === 'JOB_AGAIN') {
      await standing.discount();
      return putBack(job, token);
    }
    if (error instanceof KronaError && !error.retryable) throw new UnrecoverableError(error.code);
    if (isOutage(error) || code === 'JOB_LATER') {
      this.#onOutage(asError(error));
      return this.#putOff(job, token, pauseAfter(job.attemptsStarted, PAUSES));
    }
    if (standing.isLastTry) throw new UnrecoverableError(asError(error).message);
    await standing.countTry();
    return this.#putOff(job, token, pauseAfter(standing.tries, PAUSES));
  }

  /** Puts a job back for a while, without counting a try. @throws always: BullMQ's sign that the job has not ended */
  async #putOff(job: KindJob<K>, token: string | undefined, ms: number): Promise<never> {
    // PostgreSQL takes whole milliseconds.
    await job.moveToDelayed(Date.now() + Math.round(ms), token);
    throw new DelayedError();
  }

  abort(ids: readonly string[], reason: () => KronaError): void {
    for (const id of ids) this.#running.get(id)?.abort(reason());
  }

  /** Also interrupts jobs that start after this. */
  interruptAll(): void {
    this.#closing = true;
    this.abort([...this.#running.keys()], interrupted);
  }

  /** Aborts a running job when somebody has cancelled it. */
  async #watch(id: string, abort: AbortController): Promise<void> {
    const { queue, onError } = this.#settings;
    const ended = new AbortController();
    const look = async () => {
      if (this.#running.get(id) !== abort || abort.signal.aborted) ended.abort();
      else if ((await queue.getJob(id))?.data.cancelled) abort.abort(cancelled());
    };
    await repeat(look, {
      every: CANCEL_CHECK,
      pauses: { first: CANCEL_CHECK, longest: LONGEST_CANCEL_CHECK },
      signal: ended.signal,
      onError: (error) => onError(asError(error)),
    });
  }
}

/** Puts a job back, before those that have not started. @throws always: BullMQ's sign that the job has not ended */
async function putBack<K extends JobKind>(job: KindJob<K>, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

const isReason = (signal: AbortSignal, code: string): boolean =>
  signal.aborted && signal.reason instanceof KronaError && signal.reason.code === code;

const cancelled = (): KronaError => new KronaError('JOB_CANCELLED', 'This job was cancelled.');

const interrupted = (): KronaError =>
  new KronaError('JOB_INTERRUPTED', 'This worker is shutting down. The job goes back to the queue.', {
    retryable: true,
  });

const tooNew = (id: string, version: number, known: number): KronaError =>
  new KronaError(
    'JOB_TOO_NEW',
    `Job ${id} has version ${version}, and this worker knows jobs up to version ${known}. It stays in the queue; start the release of the bot on this worker.`,
  );

const lost = (): KronaError =>
  new KronaError(
    'JOB_LOST',
    'This worker did not respond for too long, so another worker has taken the job.',
    {
      retryable: true,
    },
  );
