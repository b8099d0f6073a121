/** @file Where the trained numbers of an adapter start. */
import type { KeyedRandom } from '../../core/random.ts';

/** `normal` as the method's paper or scripts have it; `kaiming` as torch starts a linear layer. */
export const DISTRIBUTIONS = ['normal', 'kaiming'] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** One weight of a linear layer of so many inputs: uniform in ±1/√inputs (torch's kaiming_uniform_ with a = √5). */
export function kaiming(random: KeyedRandom, inputs: number): number {
  return (2 * random.uniform() - 1) / Math.sqrt(inputs);
}
