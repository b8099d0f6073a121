/**
 * @file Pauses between tries: they grow with each failure and differ at random, so that a server that comes back isn't
 * asked by everybody at once. Also for the browser; retrying.ts has the loops.
 */

export interface Pauses {
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
