/**
 * @file From a job to the end of the record that it is about: running, then done, failed or cancelled, whatever
 * happens in between. A job may come again at any time; what has ended is left alone.
 */
import { hasEnded } from '../../core/work-state.ts';
import { describeError, KronaError } from '../../core/errors.ts';
import type { JobContext } from '../../storage/jobs/contract.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import type { PictureSet, Progress, Run, WorkFailure } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { WorkerContext } from './context.ts';
import { Paced } from './paced.ts';

/** Progress is written at most this often, ms. */
const PROGRESS_EVERY = 1000;

/**
 * Starts of one job. Retries are counted by the queue; more than this many are workers that died of it, or were
 * stopped again and again.
 */
const MAX_STARTS = 25;

interface Change {
  readonly progress: Progress | null;
  readonly losses?: Run['losses'];
}

interface End {
  readonly state: 'done' | 'failed' | 'cancelled';
  readonly failure: WorkFailure | null;
}

/** A kind of record that jobs are about. */
export interface WorkKind<T extends Run | PictureSet> {
  read(records: Records, id: string): Promise<T | null>;
  start(records: Records, record: T): Promise<void>;
  write(records: Records, id: string, change: Change): Promise<void>;
  end(records: Records, id: string, end: End & { progress: null; endedAt: Date }): Promise<void>;
}

export const RUNS: WorkKind<Run> = {
  read: (records, id) => records.run(id),
  start: (records, { id, startedAt }) =>
    records.updateRun(id, { state: 'running', startedAt: startedAt ?? new Date() }),
  write: (records, id, change) => records.updateRun(id, change),
  end: (records, id, end) => records.updateRun(id, end),
};

export const SETS: WorkKind<PictureSet> = {
  read: (records, id) => records.set(id),
  start: (records, { id }) => records.updateSet(id, { state: 'running' }),
  write: (records, id, { progress }) => records.updateSet(id, { progress }),
  end: (records, id, end) => records.updateSet(id, end),
};

/** Ends a record, unless it has ended already or is gone. */
export async function endWork<T extends Run | PictureSet>(
  kind: WorkKind<T>,
  id: string,
  end: End,
  records: WorkerContext['records'],
): Promise<void> {
  await records.transaction(async (within) => {
    const now = await kind.read(within, id);
    if (now !== null && !hasEnded(now))
      await kind.end(within, id, { ...end, progress: null, endedAt: new Date() });
  });
}

/** Whether what failed with this error is tried again (storage/jobs/contract.ts). */
export function isRetryable(error: unknown): boolean {
  return !(error instanceof KronaError) || error.retryable;
}

export interface Conduct {
  /** Aborts when the work is to end: as the job's signal does, and when the record has ended or is gone. */
  readonly signal: AbortSignal;
  /** Tells how far it is; written within a second or so. */
  readonly report: (change: Change) => void;
}

/**
 * Does `work` for the record that a job is about.
 * @throws what the queue is to know: it then tries again, or gives the job up
 */
export async function carryOut<T extends Run | PictureSet>(
  kind: WorkKind<T>,
  id: string,
  job: Pick<JobContext<JobKind>, 'signal' | 'attempt' | 'lastTry'>,
  { records, log }: Pick<WorkerContext, 'records' | 'log'>,
  work: (record: T, conduct: Conduct) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const signal = AbortSignal.any([job.signal, ended.signal]);
  let latest: Change = { progress: null };
  const reasonToEnd = (): string | null =>
    job.signal.aborted ? describeError(job.signal.reason).code : null;
  const progress = new Paced(async () => {
    if (reasonToEnd() === 'JOB_LOST') return;
    try {
      const now = await kind.read(records, id);
      if (now === null || hasEnded(now)) ended.abort(new KronaError('WORK_ENDED', 'It has ended already.'));
      else await kind.write(records, id, latest);
    } catch (error) {
      log.warn({ error, id }, 'could not write progress');
    }
  }, PROGRESS_EVERY);

  try {
    job.signal.throwIfAborted();
    const record = await begin(kind, id, records);
    if (record === null) return;
    if (job.attempt > MAX_STARTS)
      throw new KronaError(
        'WORK_GIVEN_UP',
        `This was begun ${MAX_STARTS} times and never came to its end; the worker’s log may tell why.`,
      );
    log.info({ id, attempt: job.attempt }, 'work begins');
    await work(record, {
      signal,
      report: (change) => {
        latest = change;
        progress.touch();
      },
    });
    await progress.finish();
    await endWork(kind, id, { state: 'done', failure: null }, records);
    log.info({ id }, 'work is done');
  } catch (error) {
    await progress.finish();
    const reason = reasonToEnd();
    if (reason === 'JOB_CANCELLED') {
      await endWork(kind, id, { state: 'cancelled', failure: null }, records);
      log.info({ id }, 'work was cancelled');
      return;
    }
    // Interrupted or lost: it comes again, or somebody else has it.
    if (reason !== null) throw error;
    const now = await kind.read(records, id);
    if (now === null || hasEnded(now)) return;
    if (isRetryable(error) && !job.lastTry) {
      log.warn({ error, id }, 'work failed and will be tried again');
      throw error;
    }
    log.error({ error, id }, 'work failed');
    await endWork(kind, id, { state: 'failed', failure: failureOf(error) }, records);
    throw error;
  }
}

/** What members are told. Of a bug only that it is one: its message may name files of this machine. */
export function failureOf(error: unknown): WorkFailure {
  const failure = describeError(error);
  if (failure.code !== 'INTERNAL') return failure;
  return { ...failure, message: 'Something went wrong inside Krona; the log of the worker tells what.' };
}

/** The record, now running; null when it has ended or is gone. */
function begin<T extends Run | PictureSet>(
  kind: WorkKind<T>,
  id: string,
  records: WorkerContext['records'],
): Promise<T | null> {
  return records.transaction(async (within) => {
    const record = await kind.read(within, id);
    if (record === null || hasEnded(record)) return null;
    await kind.start(within, record);
    return record;
  });
}
