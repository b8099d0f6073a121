/** @file Standard normal noise that depends on (seed, step) only, so that a resumed stage goes on exactly. */
import { KeyedRandom } from './keyed-random.ts';

/** Fills an array by Box–Muller. */
export function fillNormal(into: Float32Array, random: KeyedRandom): Float32Array {
  for (let i = 0; i < into.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.unit()));
    const angle = 2 * Math.PI * random.unit();
    into[i] = radius * Math.cos(angle);
    if (i + 1 < into.length) into[i + 1] = radius * Math.sin(angle);
  }
  return into;
}
