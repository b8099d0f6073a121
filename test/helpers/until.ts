/** @file Waiting in tests: what is tested works in its own time, and the machine may be busy. */
import { setTimeout as sleep } from 'node:timers/promises';

const TRIES = 600;
const EVERY = 100;

type Nothing = null | undefined | false | 0;

/**
 * Looks until there is something to see.
 *
 * @param look - gives nothing, false or 0 while it has to be waited for
 * @param what - is waited for, for the failure's message
 * @throws Error after a minute
 */
export async function until<T>(look: () => T | Nothing | Promise<T | Nothing>, what = 'it'): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await look();
    if (found) return found;
    await sleep(EVERY);
  }
  throw new Error(`within a minute it did not come: ${what}`);
}
