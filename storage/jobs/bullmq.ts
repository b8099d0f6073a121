/**
 * @file The queue on BullMQ, in PostgreSQL or Redis. Each kind has a queue of its own, so a picture never waits
 * behind a training. Jobs, and what became of them, outlive both processes.
 */
import { Queue, type Job, type JobState as BullState } from 'bullmq';
import { queueBackend, type JobData } from './bullmq-backend.ts';
import { startWorker, type RunningWorker } from './bullmq-worker.ts';
import type { JobQueue, JobState } from './contract.ts';
import { JOB_KINDS, type JobKind } from '../../core/job-payloads.ts';

/**
 * Tries of a job that fails with a retryable error. Deaths of workers do not count: how often to begin again
 * after those is the handler's decision, by `attempt`.
 */
const MAX_TRIES = 3;

/** Pause before the second try, doubled for the third, ms. */
const RETRY_PAUSE = 1000;

/** Ended jobs are kept for a week, so that adding one of them again does nothing. */
const KEEP_ENDED = { age: 7 * 24 * 3600 };

/**
 * Of a kind's jobs the lowest runs first, equals in order of arrival. BullMQ puts a job that its worker gave back
 * before its equals, which it does only for jobs that have a priority at all.
 */
const PRIORITY = 2;

/**
 * Connects to the queues of every kind.
 *
 * @param url of a PostgreSQL database (`postgres:`) or a Redis server (`redis:`)
 * @param onError hears of faults that BullMQ mends by itself, such as a connection that broke
 * @throws KronaError REDIS_UNAVAILABLE
 */
export async function openJobQueue(url: string, onError: (error: Error) => void): Promise<JobQueue> {
  const backend = await queueBackend(url);
  const workers = new Set<RunningWorker>();
  const queues = new Map<JobKind, Queue<JobData, void, string>>();
  for (const kind of JOB_KINDS) {
    const queue = backend.newQueue(`krona-${kind}`);
    queue.on('error', onError);
    queues.set(kind, queue);
    await queue.waitUntilReady();
  }
  const queueOf = (kind: JobKind): Queue<JobData, void, string> => queues.get(kind)!;

  const stateOf = async (job: Job<JobData>): Promise<JobState> => {
    const state = STATES[await job.getState()];
    return job.data.cancelled && (state === 'failed' || state === 'waiting') ? 'cancelled' : state;
  };

  return {
    async enqueue(kind, id, payload) {
      await queueOf(kind).add(
        kind,
        { payload },
        {
          jobId: id,
          priority: PRIORITY,
          attempts: MAX_TRIES,
          backoff: { type: 'exponential', delay: RETRY_PAUSE },
          removeOnComplete: KEEP_ENDED,
          removeOnFail: KEEP_ENDED,
        },
      );
    },

    async cancel(kind, id) {
      const job = await queueOf(kind).getJob(id);
      if (!job) return false;
      const state = await stateOf(job);
      if (state !== 'waiting' && state !== 'active') return false;
      await job.updateData({ ...job.data, cancelled: true });
      return true;
    },

    async state(kind, id) {
      const job = await queueOf(kind).getJob(id);
      return job ? stateOf(job) : 'unknown';
    },

    async position(kind, id) {
      const queue = queueOf(kind);
      const job = await queue.getJob(id);
      if (!job || job.data.cancelled) return null;
      if ((await stateOf(job)) === 'active') return 0;
      // In the order they will run; those that wait for their next try come last.
      const waiting = await queue.getJobs(['waiting', 'prioritized', 'delayed'], 0, -1, true);
      const place = waiting.filter((other) => !other.data.cancelled).findIndex((other) => other.id === id);
      return place < 0 ? null : place + 1;
    },

    async work(kind, handler, options) {
      const worker = await startWorker(
        backend,
        queueOf(kind),
        kind,
        handler,
        options?.concurrency ?? 1,
        onError,
      );
      workers.add(worker);
      return {
        async close() {
          workers.delete(worker);
          await worker.close();
        },
      };
    },

    async close() {
      await Promise.all([...workers].map((worker) => worker.close()));
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
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
