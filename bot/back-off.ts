/** @file Growing pauses between tries, with some chance in them so that many that wait don't come back at once. */

export interface BackOffOptions {
  /** The first pause, ms. */
  readonly first: number;
  /** The longest, ms. */
  readonly longest: number;
}

/**
 * The pause before a further try: doubled with each failure, and up to half of it longer by chance.
 *
 * @param failures - how many tries have failed in a row, from 1
 * @returns milliseconds
 */
export function backOff(failures: number, { first, longest }: BackOffOptions): number {
  const pause = Math.min(longest, first * 2 ** (failures - 1));
  return Math.round(pause * (1 + Math.random() / 2));
}
