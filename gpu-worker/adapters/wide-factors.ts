/**
 * @file Kronecker layers in training programs for cards. x (A ⊗ B)ᵀ needs A's sum over one of two axes of x, and so a
 * transpose of x, and another in each gradient. With A ⊗ I, [a1·b2, a2·b2], it is a plain product with x as it lies: more
 * multiplications, though few beside those with the weight, and half of the launches. A ⊗ I is formed for many layers at
 * once, and its gradient is gathered into A's in the same way.
 */
import { groupBy } from '../../core/group.ts';
import * as op from '../graph/ops.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { AdapterShapes } from './adapter.ts';
import { KroneckerShape } from './forms/kronecker.ts';

/** Layers formed at once: 64 of 1280 × 1280 take 13 MB in 16 bits, and four times as much in their gradient. */
const MOST = 64;

interface AlikeLayer {
  readonly path: string;
  readonly shape: KroneckerShape;
}

/** The wide factors of the layers that are better off with one, by path. @param trained by the names of adapterLayout */
export function wideFactors(
  shapes: AdapterShapes,
  trained: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  const alike = groupBy(
    [...shapes].flatMap(([path, shape]) =>
      shape instanceof KroneckerShape && shape.gainsByWideFactor ? [{ path, shape }] : [],
    ),
    ({ shape: { a1, a2, b2 } }) => [a1, a2, b2].join(),
  );
  const groups = [...alike.values()].flatMap((layers) =>
    Array.from({ length: Math.ceil(layers.length / MOST) }, (_, n) => layers.slice(n * MOST, (n + 1) * MOST)),
  );
  return new Map(groups.flatMap((layers) => formed(layers, trained)));
}

/** A ⊗ I of layers of the same sides. */
function formed(
  layers: readonly AlikeLayer[],
  trained: ReadonlyMap<string, Tensor>,
): [path: string, wide: Tensor][] {
  const [first] = layers;
  if (!first) return [];
  const { a1, a2, b2 } = first.shape;
  const factors = layers.flatMap(({ path }) => trained.get(`${path}.a`) ?? []);
  const all = op.reshape(op.concat(factors, 0), [layers.length * a1 * a2, 1]);
  const unit = Float32Array.from({ length: b2 * b2 }, (_, i) => (i % (b2 + 1) === 0 ? 1 : 0));
  // A product, so that programs in 16 bits need all trained numbers in one type only, and have all gradients in one.
  const outer = op.matmul(all, op.constant(unit, [1, b2 * b2]));
  const wide = op.transpose(op.reshape(outer, [layers.length, a1, a2, b2, b2]), [0, 1, 3, 2, 4]);
  const each = op.reshape(wide, [layers.length, a1 * b2 * a2 * b2]);
  return layers.map(({ path }, n) => [path, op.reshape(op.slice(each, 0, n, n + 1), [a1 * b2, a2 * b2])]);
}
