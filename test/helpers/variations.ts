/**
 * @file Cases that repeat one proof on other models, methods or sizes. `npm test` runs the most telling of them; with
 * KRONA_TEST_VARIATIONS=1, as every night, all run.
 */
import { it } from 'vitest';

export const ALL_VARIATIONS = process.env['KRONA_TEST_VARIATIONS'] === '1';

/** All cases, or the first of them. */
export const someOf = <T>(cases: readonly T[], count = 1): readonly T[] =>
  ALL_VARIATIONS ? cases : cases.slice(0, count);

/** A test of a variation. */
export const variation = it.runIf(ALL_VARIATIONS);
