/**
 * @file PEFT splits the sides of all modules by one number, `decompose_factor`, so only some shapes of A exist there.
 * Rule: peft/tuners/lokr/layer.py.
 */
import { at } from '../../../core/at.ts';
import { KronaError } from '../../../core/errors.ts';
import type { KroneckerSides } from './kronecker-graph.ts';

/**
 * The one factor by which PEFT would split every module as this adapter does; -1 for its own choice.
 * @throws KronaError ADAPTER_UNREPRESENTABLE naming the shapes that PEFT can make
 */
export function decomposeFactor(layers: ReadonlyMap<string, KroneckerSides>): number {
  const all = [...layers];
  const fits = (factor: number): boolean =>
    all.every(
      ([, { a1, a2, b1, b2 }]) =>
        peftFactor(a1 * b1, factor)[0] === a1 && peftFactor(a2 * b2, factor)[0] === a2,
    );
  const largest = all.reduce((side, [, { a1, a2 }]) => Math.max(side, a1, a2), 1);
  for (const factor of [...upTo(largest), -1]) if (fits(factor)) return factor;
  const [path, { a1, a2, b1, b2 }] = at(
    all,
    Math.max(
      0,
      all.findIndex(([, shape]) => shape.a1 !== shape.a2),
    ),
  );
  const sides = all.flatMap(([, shape]) => [shape.a1 * shape.b1, shape.a2 * shape.b2]);
  const square = upTo(Math.min(...sides)).filter((n) => sides.every((side) => side % n === 0));
  throw new KronaError(
    'ADAPTER_UNREPRESENTABLE',
    `PEFT splits all modules by one decompose_factor, which cannot make A ${a1}×${a2} (${path}, ` +
      `${a1 * b1}×${a2 * b2}). It can make A ${square.map((n) => `${n}×${n}`).join(', ')} here: train with one of ` +
      'these, or convert with --to lora, which PEFT reads too.',
  );
}

const upTo = (most: number): number[] => Array.from({ length: most }, (_, i) => i + 1);

/** PEFT's `factorization`: how it splits a side in two, of which A gets the first. */
export function peftFactor(side: number, factor: number): readonly [number, number] {
  if (factor > 0 && side % factor === 0) return [factor, side / factor];
  const most = factor < 0 ? side : factor;
  let [m, n] = [1, side];
  while (m < n) {
    let next = m + 1;
    while (side % next !== 0) next++;
    if (next > most) break;
    [m, n] = [next, side / next];
  }
  return m < n ? [m, n] : [n, m];
}
