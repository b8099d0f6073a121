/**
 * @file Prompts of several lengths in one batch. Attention to a text that is repeated is attention to the text, so each is
 * repeated to the least common multiple, as ComfyUI does: every row gives what it gives when it is computed alone. Where
 * that would be too much, the others are followed by empty chunks, as in AUTOMATIC1111's web UI.
 */
import { gcd } from '../../core/gcd.ts';

/**
 * The number of chunks that each of several texts gets.
 *
 * @param chunks of each, at least 1
 * @param most as far as texts are repeated: 14 chunks beside 13 and 11 would be 2,002
 */
export function commonChunks(chunks: readonly number[], most: number): number {
  const multiple = chunks.reduce((all, count) => (all / gcd(all, count)) * count, 1);
  return multiple <= most ? multiple : Math.max(...chunks);
}

/** The chunk of a text of `own` chunks that stands at place `n` of `all`; null for an empty one. */
export const chunkAt = (own: number, all: number, n: number): number | null =>
  all % own === 0 ? n % own : n < own ? n : null;

/** Encoded text of as many chunks as `all`. @param empty an encoded chunk without text */
export function lengthened(states: Float32Array, all: number, empty: Float32Array): Float32Array {
  const size = empty.length;
  const own = states.length / size;
  if (own === all) return states;
  const filled = new Float32Array(all * size);
  for (let n = 0; n < all; n++) {
    const chunk = chunkAt(own, all, n);
    filled.set(chunk === null ? empty : states.subarray(chunk * size, (chunk + 1) * size), n * size);
  }
  return filled;
}
