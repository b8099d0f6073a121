/**
 * @file Random numbers that depend only on (seed, purpose, step). No state is carried from one step to the next, so a
 * run that resumes at step n gets the same numbers as an uninterrupted run.
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 */

/** The random numbers of one (seed, purpose, step). The same calls in the same order give the same numbers. */
export class KeyedRandom {
  readonly #key: readonly [number, number];
  /** Counter words 2 and 3; words 0 and 1 count blocks of four numbers. */
  readonly #stream: readonly [number, number];
  #blocks = 0;
  #block: Words = [0, 0, 0, 0];
  #left = 0;
  #spareNormal: number | null = null;

  /**
   * @param seed whole number, 0 to 2⁵³
   * @param purpose such as 'noise'; different purposes give unrelated numbers
   * @param step whole number, 0 to 2³²
   */
  constructor(seed: number, purpose: string, step = 0) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#stream = [step >>> 0, hash(purpose)];
  }

  /** Uniform in [0, 1), a multiple of 2⁻³². */
  uniform(): number {
    return this.#word() / 2 ** 32;
  }

  /** Whole number from 0 to `below` − 1, each equally likely. `below` is at most 2³². */
  integer(below: number): number {
    // Words above this would make low results more likely.
    const limit = 2 ** 32 - (2 ** 32 % below);
    for (;;) {
      const word = this.#word();
      if (word < limit) return word % below;
    }
  }

  /** From the standard normal distribution (Box–Muller; magnitude at most 6.7). */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    // Adding half a step keeps the logarithm's argument above 0.
    const radius = Math.sqrt(-2 * Math.log((this.#word() + 0.5) / 2 ** 32));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** `count` standard normal numbers. */
  normals(count: number): Float32Array {
    const numbers = new Float32Array(count);
    for (let i = 0; i < count; i++) numbers[i] = this.normal();
    return numbers;
  }

  /** Puts the items of an array into a random order, in place (Fisher–Yates). */
  shuffle(items: unknown[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  #word(): number {
    if (this.#left === 0) {
      const count = this.#blocks++;
      this.#block = philox4x32([count >>> 0, Math.floor(count / 2 ** 32), ...this.#stream], this.#key);
      this.#left = 4;
    }
    return this.#block[4 - this.#left--]!;
  }
}

/** Four unsigned 32-bit numbers. */
type Words = readonly [number, number, number, number];

/** Philox 4x32 with ten rounds: the block of random words at `counter`, least significant words first. */
export function philox4x32(counter: Words, key: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    [a, b, c, d] = [
      (highProduct(0xcd9e8d57, c) ^ b ^ k0) >>> 0,
      Math.imul(0xcd9e8d57, c) >>> 0,
      (highProduct(0xd2511f53, a) ^ d ^ k1) >>> 0,
      Math.imul(0xd2511f53, a) >>> 0,
    ];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function highProduct(x: number, y: number): number {
  const [xLow, xHigh, yLow, yHigh] = [x & 0xffff, x >>> 16, y & 0xffff, y >>> 16];
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16);
  // Each term stays below 2⁵³, and below 2³² after its shift.
  const carry = Math.floor(((middle % 2 ** 16) + xLow * yHigh) / 2 ** 16);
  return (xHigh * yHigh + Math.floor(middle / 2 ** 16) + carry) >>> 0;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
