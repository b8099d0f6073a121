/** @file Waiting in tests: what is tested works in its own time, and the machine may be busy. */
import { setTimeout as sleep } from 'node:timers/promises';
import { realNow } from './clock.ts';

/** A little less than a test may take, so that it is this that says what was missing, ms. */
const PATIENCE = 280_000;
/** Pauses between looks grow by a tenth, ms: looking costs a question to a database or a platform. */
const FIRST_PAUSE = 30;
const LONGEST_PAUSE = 150;

type Nothing = null | undefined | false | 0;

/**
 * Looks until there is something to see.
 *
 * @param look - gives nothing, false or 0 while it has to be waited for
 * @param what - is waited for, for the failure's message
 * @throws Error after 280 s
 */
export async function until<T>(look: () => T | Nothing | Promise<T | Nothing>, what = 'it'): Promise<T> {
  const end = realNow() + PATIENCE;
  for (let pause = FIRST_PAUSE; realNow() < end; pause = Math.min(1.1 * pause, LONGEST_PAUSE)) {
    const found = await look();
    if (found) return found;
    await sleep(pause);
  }
  throw new Error(`within 280 s it did not come: ${what}`);
}
