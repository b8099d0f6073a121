/**
 * @file Random draws that depend only on (seed, index, number of the draw), so that example 70,000 is the same whether
 * or not the earlier ones were made. For choosing training pictures; noise comes from core/random.ts, whose numbers
 * differ.
 */
import { at } from '../../core/at.ts';

/** Draws for one example. */
export class ExampleRandom {
  readonly #key: number;
  #count = 0;

  /** @param seed and index are whole numbers from 0 to 2⁵³. */
  constructor(seed: number, index: number) {
    let key = mix(0x9e3779b9, seed >>> 0);
    key = mix(key, Math.floor(seed / 2 ** 32));
    key = mix(key, index >>> 0);
    this.#key = mix(key, Math.floor(index / 2 ** 32));
  }

  /** Uniform in [0, 1) with 32 bits. */
  unit(): number {
    return mix(this.#key, this.#count++) / 2 ** 32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  chance(share: number): boolean {
    return this.unit() < share;
  }

  /** One entry of a non-empty list. */
  pick<T>(list: readonly T[]): T {
    return at(list, Math.floor(this.unit() * list.length));
  }
}

/** Two rounds of murmur3's finaliser over key and counter. */
function mix(key: number, word: number): number {
  let hash = Math.imul(key ^ Math.imul(word + 0x7ed55d16, 0xcc9e2d51), 0x1b873593);
  for (let round = 0; round < 2; round++) {
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    hash = (hash + key) | 0;
  }
  return hash >>> 0;
}
