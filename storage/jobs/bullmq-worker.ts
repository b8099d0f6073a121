/** @file Takes jobs of one kind and runs them: cancellation, interruption, and which errors are tried again. */
import { UnrecoverableError, WaitingError, type Job, type Queue } from 'bullmq';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import type { JobData, QueueBackend } from './bullmq-backend.ts';
import type { JobHandler } from './contract.ts';
import type { JobKind, JobPayloads } from '../../core/job-payloads.ts';

export interface RunningWorker {
  close(): Promise<void>;
}

/**
 * How long a job belongs to a worker that does not renew its claim, ms. A dead worker's job is found by the next
 * look after that: at most LOCK + 2 · LOOK = 16 s, mostly 10 s. A living worker renews every 2 to 4 s from a loop
 * that nothing of ours blocks for long, as sessions of the model run in a child process.
 */
const LOCK = 10_000;
const RENEW = 4_000;
const LOOK = 3_000;

/** How often a running job is asked whether somebody has cancelled it, ms. */
const CANCEL_CHECK = 400;

/** Jobs taken from a dead worker run before those that never began (bullmq.ts gives these 2). */
const PRIORITY_AGAIN = 1;

export async function startWorker<K extends JobKind>(
  backend: QueueBackend,
  queue: Queue<JobData, void, string>,
  kind: K,
  handler: JobHandler<K>,
  concurrency: number,
  onError: (error: Error) => void,
): Promise<RunningWorker> {
  const running = new Map<string, AbortController>();
  let closing = false;

  const run = async (job: Job<JobData, void, string>, token?: string): Promise<void> => {
    const id = job.id!;
    const abort = new AbortController();
    running.set(id, abort);
    if (job.data.cancelled) abort.abort(cancelled());
    else if (closing) abort.abort(interrupted());
    void watch(id, abort);
    try {
      await handler({
        id,
        payload: job.data.payload as JobPayloads[K],
        attempt: job.attemptsStarted,
        lastTry: job.attemptsMade + 1 >= (job.opts.attempts ?? 1),
        signal: abort.signal,
      });
      if (isReason(abort.signal, 'JOB_CANCELLED')) throw new UnrecoverableError('JOB_CANCELLED');
    } catch (error) {
      if (isReason(abort.signal, 'JOB_CANCELLED')) throw new UnrecoverableError('JOB_CANCELLED');
      if (isReason(abort.signal, 'JOB_INTERRUPTED')) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      if (error instanceof KronaError && !error.retryable) throw new UnrecoverableError(error.code);
      throw error;
    } finally {
      running.delete(id);
    }
  };

  /** Aborts the job when somebody has cancelled it, as long as it runs. */
  const watch = async (id: string, abort: AbortController): Promise<void> => {
    for (;;) {
      await sleep(CANCEL_CHECK);
      if (running.get(id) !== abort || abort.signal.aborted) return;
      try {
        const job = await queue.getJob(id);
        if (job?.data.cancelled) abort.abort(cancelled());
      } catch (error) {
        onError(error as Error);
      }
    }
  };

  const worker = backend.newWorker(queue.name, run, {
    concurrency,
    lockDuration: LOCK,
    lockRenewTime: RENEW,
    stalledInterval: LOOK,
    // The handler sees `attempt` and decides itself when to give up, so that it can also say so in the records.
    maxStalledCount: 2 ** 31 - 1,
    // A fallback only: a new job wakes an idle worker through NOTIFY or Redis.
    drainDelay: 5,
    runRetryDelay: 1000,
  });
  worker.on('error', onError);
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) running.get(id)?.abort(lost());
  });
  worker.on('stalled', (id) => {
    void queue
      .getJob(id)
      .then((job) => job?.changePriority({ priority: PRIORITY_AGAIN }))
      .catch(onError);
  });
  await worker.waitUntilReady();

  return {
    async close() {
      closing = true;
      for (const abort of running.values()) abort.abort(interrupted());
      await worker.close();
    },
  };
}

const isReason = (signal: AbortSignal, code: string): boolean =>
  signal.aborted && signal.reason instanceof KronaError && signal.reason.code === code;

const cancelled = (): KronaError => new KronaError('JOB_CANCELLED', 'Somebody cancelled this job.');

const interrupted = (): KronaError =>
  new KronaError('JOB_INTERRUPTED', 'This worker is closing; the job goes back to the queue.', {
    retryable: true,
  });

const lost = (): KronaError =>
  new KronaError('JOB_LOST', 'This worker was away for too long and the job was given to another.', {
    retryable: true,
  });
