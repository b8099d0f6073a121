/** @file Pauses between retries, and fewer reports of a fault that lasts. */

/**
 * How long to wait before each retry: twice as long each time, and a random part of that, so that processes that
 * failed together do not return together.
 */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  #failures = 0;

  /** @param first - longest wait before the first retry, ms @param longest - before any retry, ms */
  constructor(first: number, longest: number) {
    this.#first = first;
    this.#longest = longest;
  }

  /** Counts a failure. @returns ms to wait now: from half the limit of this retry to all of it */
  next(): number {
    const limit = Math.min(this.#longest, this.#first * 2 ** this.#failures);
    if (limit < this.#longest) this.#failures += 1;
    return (limit * (1 + Math.random())) / 2;
  }

  /** A try went well: the next failure waits briefly again. */
  reset(): void {
    this.#failures = 0;
  }
}

/** How long equal reports are held back, ms. */
const QUIET = 60_000;
/** Different messages that are remembered; some contain an id. */
const REMEMBERED = 100;

/** Returns a listener that passes an error on, unless it passed on one with the same message in the last minute. */
export function withoutRepeats(report: (error: Error) => void): (error: Error) => void {
  const reported = new Map<string, number>();
  return (error) => {
    const now = performance.now();
    if (now - (reported.get(error.message) ?? -Infinity) < QUIET) return;
    if (reported.size >= REMEMBERED) reported.clear();
    reported.set(error.message, now);
    report(error);
  };
}
