/** @file Where the trained numbers of an adapter start. */
import type { KeyedRandom } from '../../core/random.ts';
import type { Distribution } from '../../core/settings/choices.ts';

export type { Distribution };

/** One weight of a linear layer of so many inputs: uniform in ±1/√inputs (torch's kaiming_uniform_ with a = √5). */
export function kaiming(random: KeyedRandom, inputs: number): number {
  return (2 * random.uniform() - 1) / Math.sqrt(inputs);
}
