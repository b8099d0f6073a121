/**
 * @file Prompts of several lengths in one batch. Attention to a text that is repeated is attention to the text, so each is
 * repeated to the least common multiple, as ComfyUI does: every row gives what it gives when it is computed alone.
 */
import { gcd } from '../../core/gcd.ts';

/** The least length to which texts of these lengths can be repeated. */
export function commonLength(lengths: readonly number[]): number {
  return lengths.reduce((all, length) => (all / gcd(all, length)) * length, 1);
}

/** `values` again and again until there are `length` of them, a multiple of theirs. */
export function repeated(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values;
  const filled = new Float32Array(length);
  for (let start = 0; start < length; start += values.length) filled.set(values, start);
  return filled;
}
