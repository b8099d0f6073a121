/**
 * @file How everything in Krona tries again: with pauses that grow and differ at random, so that a server that comes back
 * isn't asked by everybody at once, and with one line in the log for each change of state.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from './errors.ts';

interface Pauses {
  /** After the first failure, ms; doubled with each that follows. */
  readonly first: number;
  /** ms */
  readonly longest: number;
}

/** From half a second to a minute: for servers that are usually back soon. */
const USUAL: Pauses = { first: 500, longest: 60_000 };

/**
 * Returns the pause before the next try, ms: doubled with each failure, and up to half of it more by chance, so that
 * callers that failed together don't return together.
 *
 * @param failures - how many tries in a row have failed, from 1
 */
export function pauseAfter(failures: number, { first, longest }: Pauses = USUAL): number {
  const pause = Math.min(longest, first * 2 ** Math.min(failures - 1, 30));
  return pause * (1 + Math.random() / 2);
}

/** The pauses after failures that follow each other. */
export class Backoff {
  readonly #pauses: Pauses;
  #failures = 0;

  constructor(pauses: Pauses = USUAL) {
    this.#pauses = pauses;
  }

  /** Counts a failure. @returns the pause before the next try, ms (pauseAfter) */
  next(): number {
    return pauseAfter(++this.#failures, this.#pauses);
  }

  /** A try succeeded. */
  reset(): void {
    this.#failures = 0;
  }
}

/** A failure that did not come for so long is over, ms: longer than the pauses between tries. */
const OVER = 3 * 60_000;
/** Different failures remembered. */
const MOST_STATES = 50;

/**
 * Passes an error on when its state begins: not while the same error, by code and message, keeps coming.
 *
 * @param say - gets the error, such as for the log
 */
export function oncePerState<E>(say: (error: E) => void): (error: E) => void {
  const lastSeen = new Map<string, number>();
  return (error) => {
    const { code, message } = describeError(error);
    const state = `${code} ${message}`;
    const now = performance.now();
    const before = lastSeen.get(state);
    lastSeen.delete(state);
    lastSeen.set(state, now);
    const [oldest] = lastSeen.keys();
    if (lastSeen.size > MOST_STATES && oldest !== undefined) lastSeen.delete(oldest);
    if (before === undefined || now - before > OVER) say(error);
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
    const interrupted = hurry === undefined ? signal : AbortSignal.any([signal, hurry()]);
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
    const ends = failing ? signal : interrupted;
    await sleep(pause, undefined, { signal: ends }).catch(() => undefined);
  }
}
