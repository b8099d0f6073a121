/**
 * @file How everything in Krona tries again: with the pauses of backoff.ts, and with one line in the log for each change of
 * state.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff, type Pauses } from './backoff.ts';
import { describeError } from './errors.ts';
import { onFirstOf } from './first-signal.ts';

interface RetryOptions {
  /**
   * How long to wait before the next try, ms; null: give up. `pauseAfter` says how long pauses are.
   *
   * @param failures - how many tries have failed, from 1
   */
  readonly pause: (error: unknown, failures: number) => number | null;
  /** Ends the pauses. */
  readonly signal?: AbortSignal;
}

/** Does work until it succeeds. @throws the last error, when `pause` gives up or the signal aborts */
export async function retry<T>(work: () => Promise<T>, { pause, signal }: RetryOptions): Promise<T> {
  for (let failures = 1; ; failures++)
    try {
      return await work();
    } catch (error) {
      const wait = signal?.aborted ? null : pause(error, failures);
      if (wait === null) throw error;
      await rest(wait, signal);
      if (signal?.aborted) throw error;
    }
}

/** Waits; not beyond the signal's end. */
async function rest(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch(() => undefined);
}

/** A failure that did not come for so long is over, ms: longer than the pauses between tries. */
const OVER = 3 * 60_000;
/** Different failures remembered. */
const MOST_STATES = 50;

/**
 * Passes an error on when its state begins: not while the same error, by code and message, keeps coming.
 *
 * @param say - gets the error, such as for the log, and what else belongs to it
 */
export function oncePerState<E, More extends unknown[]>(
  say: (error: E, ...more: More) => void,
): (error: E, ...more: More) => void {
  const lastSeen = new Map<string, number>();
  return (error, ...more) => {
    const { code, message } = describeError(error);
    const state = `${code} ${message}`;
    const now = performance.now();
    const before = lastSeen.get(state);
    lastSeen.delete(state);
    lastSeen.set(state, now);
    const [oldest] = lastSeen.keys();
    if (lastSeen.size > MOST_STATES && oldest !== undefined) lastSeen.delete(oldest);
    if (before === undefined || now - before > OVER) say(error, ...more);
  };
}

interface RepeatOptions {
  /** Pause after a round that succeeded, ms. */
  readonly every: number;
  /** Pauses after rounds that failed. */
  readonly pauses?: Pauses;
  /** Ends it after the round under way. */
  readonly signal: AbortSignal;
  /** Ends the current pause; asked for before each. By default, only `signal` does. */
  readonly hurry?: () => AbortSignal;
  /** Gets the error of the first of several rounds that fail alike. */
  readonly onError: (error: unknown) => void;
  /** Called when a round succeeds after one that failed. */
  readonly onRecovered?: () => void;
}

/** Does rounds of work until the signal aborts. Never rejects. */
export async function repeat(work: () => Promise<unknown>, options: RepeatOptions): Promise<void> {
  const { every, signal, hurry, onError, onRecovered } = options;
  const backoff = new Backoff(options.pauses);
  let tell = oncePerState(onError);
  let failing = false;
  while (!signal.aborted) {
    const hurried = hurry?.();
    let pause = every;
    try {
      await work();
      if (failing) {
        tell = oncePerState(onError);
        onRecovered?.();
      }
      failing = false;
      backoff.reset();
    } catch (error) {
      failing = true;
      tell(error);
      pause = backoff.next();
    }
    // Work that failed is not hurried: it would fail again.
    const ends = failing || hurried === undefined ? [signal] : [signal, hurried];
    await onFirstOf(ends, (ended) => rest(pause, ended));
  }
}
