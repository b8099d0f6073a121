/** @file Seeds of runs and sets: whole numbers from 0 to MAX_SEED. */
import { randomInt } from 'node:crypto';

export const MAX_SEED = 2 ** 32 - 1;

export function randomSeed(): number {
  return randomInt(MAX_SEED + 1);
}

/** The seed of the n-th picture of a set, from 0: it is the first picture of that seed, whatever the set's size. */
export function nthSeed(seed: number, n: number): number {
  return (seed + n) % (MAX_SEED + 1);
}
