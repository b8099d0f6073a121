/** @file Whether the parts work that a process needs, asked at /readyz. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, KronaError } from '../core/errors.ts';
import { ready } from '../core/metrics.ts';
import { isTaking } from '../core/workers.ts';
import type { Storage } from '../storage/open.ts';
import type { RecordStore } from '../storage/records.ts';

/** A part without an answer for so long does not work, ms. */
const PATIENCE = 5_000;

/** Resolves when the part works; throws why it doesn't. */
export type Check = () => Promise<unknown>;

export interface CheckResult {
  readonly name: string;
  /** `ok`, or the code of the error. */
  readonly state: string;
}

/** The checks under way: a part that does not answer is not asked again meanwhile, however many ask. */
const asked = new WeakMap<Check, Promise<unknown>>();

/** Asks a part, or joins those who ask just now. */
export function askOnce(check: Check): Promise<unknown> {
  const before = asked.get(check);
  if (before !== undefined) return before;
  const answer = (async () => check())().finally(() => asked.delete(check));
  asked.set(check, answer);
  return answer;
}

/** The answer, if it comes in time. @throws KronaError NO_ANSWER */
export const inTime = <T>(answer: Promise<T>): Promise<T> => Promise.race([answer, tooLate()]);

/** Asks all parts at once. Never rejects. */
export function runChecks(checks: Readonly<Record<string, Check>>): Promise<CheckResult[]> {
  return Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const state = await inTime(askOnce(check)).then(
        () => 'ok',
        (error: unknown) => describeError(error).code,
      );
      ready.set({ check: name }, state === 'ok' ? 1 : 0);
      return { name, state };
    }),
  );
}

async function tooLate(): Promise<never> {
  await sleep(PATIENCE, undefined, { ref: false });
  throw new KronaError('NO_ANSWER', 'There was no answer within 5 s.', { retryable: true });
}

/** @throws KronaError NO_WORKER when no worker takes jobs */
export async function requireWorker(records: Pick<RecordStore, 'workers'>): Promise<void> {
  if (!(await records.workers()).some(isTaking))
    throw new KronaError('NO_WORKER', 'No worker takes jobs. Start one: `krona worker`.', {
      retryable: true,
    });
}

/** No blob has this name. */
const NO_BLOB = '0'.repeat(64);

/** The parts that bot and workers share. */
export const storageChecks = ({ records, jobs, blobs }: Storage) => ({
  database: () => records.check(),
  queue: () => jobs.check(),
  blobs: () => blobs.stat(NO_BLOB),
});
