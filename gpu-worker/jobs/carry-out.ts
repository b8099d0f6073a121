/**
 * @file Takes a job's record to its end: running, then done, failed or cancelled, whatever happens in between. A job can
 * come again at any time; a record that has ended stays as it is.
 */
import { hasEnded } from '../../core/work-state.ts';
import { describeError, isOutage, KronaError } from '../../core/errors.ts';
import { oncePerState } from '../../core/retrying.ts';
import type { JobContext } from '../../storage/jobs/contract.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import type { PictureSet, Progress, Pull, Run, SetPreview, WorkFailure } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { isDied } from '../engine/engine.ts';
import type { WorkerContext } from './context.ts';
import { Paced } from './paced.ts';

/** Least time between two writes of progress, ms. */
const PROGRESS_EVERY = 1000;

/**
 * A job that so many workers have crashed with, since it last got further, is given up. The queue counts failed tries;
 * workers that were stopped, and outages, are not its fault.
 */
const MAX_CRASHES = 25;

interface Change {
  readonly progress: Progress | null;
  /** Of a set. Missing: as it was. */
  readonly preview?: SetPreview | null;
  readonly losses?: Run['losses'];
  readonly scores?: Run['scores'];
  readonly preference?: Run['preference'];
}

interface End {
  readonly state: 'done' | 'failed' | 'cancelled';
  readonly failure: WorkFailure | null;
}

/** A record that jobs take to an end. */
type Work = Run | PictureSet | Pull;

/** A kind of it. */
export interface WorkKind<T extends Work> {
  /** It can have taken hours, so it waits where it can't be stored. */
  readonly isLong: boolean;
  read(records: Records, id: string): Promise<T | null>;
  start(records: Records, record: T): Promise<void>;
  write(records: Records, id: string, change: Change): Promise<void>;
  end(records: Records, id: string, end: End & { progress: null; endedAt: Date }): Promise<void>;
}

export const RUNS: WorkKind<Run> = {
  isLong: true,
  read: (records, id) => records.run(id),
  start: (records, { id, startedAt }) =>
    records.updateRun(id, { state: 'running', startedAt: startedAt ?? new Date() }),
  write: (records, id, { preview: _, ...change }) => records.updateRun(id, change),
  end: (records, id, end) => records.updateRun(id, end),
};

export const SETS: WorkKind<PictureSet> = {
  isLong: false,
  read: (records, id) => records.set(id),
  start: (records, { id }) => records.updateSet(id, { state: 'running' }),
  async write(records, id, { progress, preview }) {
    // First, as the set's new revision is what its message follows.
    if (preview !== undefined) await records.savePreview(id, preview);
    await records.updateSet(id, { progress });
  },
  end: (records, id, end) => records.updateSet(id, end),
};

export const PULLS: WorkKind<Pull> = {
  isLong: false,
  read: (records, id) => records.pull(id),
  start: (records, { id }) => records.updatePull(id, { state: 'running' }),
  write: (records, id, { progress }) => records.updatePull(id, { progress }),
  end: (records, id, end) => records.updatePull(id, end),
};

/** Ends a record, unless it has ended already or was deleted. */
export async function endWork<T extends Work>(
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

/** Whether the queue tries again after this error (storage/jobs/contract.ts). */
export function isRetryable(error: unknown): boolean {
  return !(error instanceof KronaError) || error.retryable;
}

/** Whether the engine died of another request. */
export const isRestarted = (error: unknown): boolean =>
  error instanceof KronaError && error.code === 'ENGINE_RESTARTED';

/** Whether a disk is full or read-only. */
const isOfDisk = (error: unknown): boolean =>
  error instanceof KronaError && error.retryable && /^DISK_(?:FULL|READ_ONLY)$/.test(error.code);

export interface Conduct {
  /** Aborts when the work must end: with the job's signal, and when the record has ended or was deleted. */
  readonly signal: AbortSignal;
  /** Of the job. */
  readonly attempt: number;
  /** Reports progress; written within about a second. */
  readonly report: (change: Change) => void;
  /** Something is done that no later attempt does again: deaths before it don't count against the job any more. */
  readonly advance: () => void;
}

/**
 * Does `work` for the record that a job is about.
 * @throws what the queue must know: it then tries again, or gives the job up
 */
export async function carryOut<T extends Work>(
  kind: WorkKind<T>,
  id: string,
  job: Job,
  context: Pick<WorkerContext, 'records' | 'log'>,
  work: (record: T, conduct: Conduct) => Promise<void>,
): Promise<void> {
  const { records, log } = context;
  const { progress, conduct, hasAdvanced } = follow(kind, id, job, context);
  try {
    job.signal.throwIfAborted();
    const record = await begin(kind, id, records);
    if (record === null) return;
    if (job.crashes >= MAX_CRASHES)
      throw new KronaError(
        'WORK_GIVEN_UP',
        `The worker stopped unexpectedly ${MAX_CRASHES} times during this, and got no further. Its log may say why.`,
      );
    log.info({ id, attempt: job.attempt }, 'job started');
    await work(record, conduct);
    await progress.finish();
    await endWork(kind, id, { state: 'done', failure: null }, records);
    log.info({ id }, 'job done');
  } catch (error) {
    await progress.finish();
    await afterError(kind, id, { ...job, hasAdvanced: hasAdvanced() }, context, error);
  }
}

type Job = Pick<JobContext<JobKind>, 'signal' | 'attempt' | 'crashes' | 'lastTry' | 'advance'>;

/** Why the queue wants the job to end; null while it doesn't. */
export const reasonToEnd = ({ signal }: Pick<Job, 'signal'>): string | null =>
  signal.aborted ? describeError(signal.reason).code : null;

/** Writes progress as it is reported, and sees whether the record has ended. */
function follow<T extends Work>(
  kind: WorkKind<T>,
  id: string,
  job: Job,
  { records, log }: Pick<WorkerContext, 'records' | 'log'>,
): { readonly progress: Paced; readonly conduct: Conduct; readonly hasAdvanced: () => boolean } {
  let advanced = false;
  const ended = new AbortController();
  let latest: Change = { progress: null };
  const failed = oncePerState((error) => log.warn({ error, id }, 'could not write progress'));
  const progress = new Paced(async () => {
    if (reasonToEnd(job) === 'JOB_LOST') return;
    try {
      const now = await kind.read(records, id);
      if (now === null || hasEnded(now)) ended.abort(new KronaError('WORK_ENDED', 'This has already ended.'));
      else await kind.write(records, id, latest);
    } catch (error) {
      failed(error);
    }
  }, PROGRESS_EVERY);
  const report = (change: Change): void => {
    latest = change;
    progress.touch();
  };
  const signal = AbortSignal.any([job.signal, ended.signal]);
  const advance = () => {
    advanced = true;
    if (reasonToEnd(job) !== 'JOB_LOST')
      job
        .advance()
        .catch((error: unknown) => log.warn({ error, id }, 'could not note that the job got further'));
  };
  return {
    progress,
    conduct: { signal, attempt: job.attempt, report, advance },
    hasAdvanced: () => advanced,
  };
}

/** Ends the record as the error asks for. @throws the error, if the queue must know it */
async function afterError<T extends Work>(
  kind: WorkKind<T>,
  id: string,
  job: Job & { readonly hasAdvanced: boolean },
  { records, log }: Pick<WorkerContext, 'records' | 'log'>,
  error: unknown,
): Promise<void> {
  const reason = reasonToEnd(job);
  if (reason === 'JOB_CANCELLED') {
    await endWork(kind, id, { state: 'cancelled', failure: null }, records);
    log.info({ id }, 'job cancelled');
    return;
  }
  // Interrupted or lost: it comes again, or another worker has it.
  if (reason !== null) throw error;
  const now = await kind.read(records, id);
  if (now === null || hasEnded(now)) return;
  if (isRestarted(error)) {
    log.warn({ id }, 'the engine process stopped because of another job; this one goes on in the next');
    throw new KronaError('JOB_AGAIN', 'The job runs again.', { retryable: true, cause: error });
  }
  if (kind.isLong && isOfDisk(error)) {
    log.warn({ error, id }, 'the job waits until the disk takes files again');
    const { progress } = now;
    // The disk can be the database's.
    if (progress !== null)
      await kind
        .write(records, id, { progress: { ...progress, secondsLeft: null, phase: 'waiting for the disk' } })
        .catch((failure: unknown) => log.warn({ error: failure, id }, 'could not write progress'));
    throw new KronaError('JOB_LATER', 'The job runs again later.', { retryable: true, cause: error });
  }
  if (isDied(error) && job.hasAdvanced) {
    log.warn({ error, id }, 'the engine process stopped; the job goes on in the next, as it got further');
    throw new KronaError('JOB_AGAIN', 'The job runs again.', { retryable: true, cause: error });
  }
  if (isOutage(error) || (isRetryable(error) && (job.hasAdvanced || !job.lastTry))) {
    log.warn({ error, id }, 'job failed and will be tried again');
    throw error;
  }
  log.error({ error, id }, 'job failed');
  await endWork(kind, id, { state: 'failed', failure: failureOf(error) }, records);
  throw error;
}

/** What members read. A bug's own message stays in the log, as it can name files of this machine. */
export function failureOf(error: unknown): WorkFailure {
  const failure = describeError(error);
  if (failure.code !== 'INTERNAL') return failure;
  return { ...failure, message: "Something went wrong inside Krona. The worker's log has the details." };
}

/** The record, now running; null if it has ended or was deleted. */
function begin<T extends Work>(
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
