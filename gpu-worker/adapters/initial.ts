/** @file Where the trained numbers of an adapter start. */
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { Distribution } from '../../core/settings/choices.ts';
import type { FlatLayout } from '../models/parameters.ts';

/**
 * A flat vector in which the tensors whose names end with `part` are random and all others zero, so that ΔW is zero.
 *
 * @param distribution `normal` has the deviation 1/side, `kaiming` is uniform in ±1/√columns (torch's kaiming_uniform_
 * with a = √5)
 * @param side of a matrix [rows, columns]
 */
export function randomPart(
  layout: FlatLayout,
  seed: number,
  part: string,
  distribution: Distribution,
  side: 'rows' | 'columns',
): Float32Array {
  const flat = new Float32Array(layout.length);
  for (const [index, { name, shape, offset, size }] of layout.entries.entries()) {
    if (!name.endsWith(part)) continue;
    const random = new KeyedRandom(seed, 'factors', index);
    const [rows, columns] = [at(shape, 0), at(shape, 1)];
    const divisor = side === 'rows' ? rows : columns;
    const draw =
      distribution === 'normal'
        ? () => random.normal() / divisor
        : () => (2 * random.uniform() - 1) / Math.sqrt(columns);
    for (let i = 0; i < size; i++) flat[offset + i] = draw();
  }
  return flat;
}
