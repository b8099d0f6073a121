/**
 * @file Kronecker layers in training programs for cards. x (A ⊗ B)ᵀ needs A's sum over one of two axes of x, and so a
 * transpose of x, and another in each gradient. With A ⊗ I, [a1·b2, a2·b2], it is a plain product with x as it lies: more
 * multiplications, though few beside those with the weight, and half of the launches. A ⊗ I is formed for many layers at
 * once, and its gradient is gathered into A's in the same way.
 */
import * as op from '../graph/ops.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { AdapterShapes } from './adapter.ts';
import { KroneckerShape } from './forms/kronecker.ts';

/** Layers formed at once: 64 of 1280 × 1280 take 13 MB in 16 bits, and four times as much in their gradient. */
const MOST = 64;

/** The wide factors of the layers that are better off with one, by path. @param trained by the names of adapterLayout */
export function wideFactors(
  shapes: AdapterShapes,
  trained: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  const alike = new Map<string, [path: string, shape: KroneckerShape][]>();
  for (const [path, shape] of shapes) {
    if (!(shape instanceof KroneckerShape) || !shape.gainsByWideFactor) continue;
    const key = [shape.a1, shape.a2, shape.b2].join();
    const others = alike.get(key);
    if (others && others.length % MOST > 0) others.push([path, shape]);
    else if (others) alike.set(`${key} ${alike.size}`, others).set(key, [[path, shape]]);
    else alike.set(key, [[path, shape]]);
  }
  return new Map([...alike.values()].flatMap((layers) => formed(layers, trained)));
}

/** A ⊗ I of layers of the same sides. */
function formed(
  layers: readonly [path: string, shape: KroneckerShape][],
  trained: ReadonlyMap<string, Tensor>,
): [path: string, wide: Tensor][] {
  const [first] = layers;
  if (!first) return [];
  const { a1, a2, b2 } = first[1];
  const factors = layers.flatMap(([path]) => trained.get(`${path}.a`) ?? []);
  const all = op.reshape(op.concat(factors, 0), [layers.length, a1, 1, a2, 1]);
  const unit = Float32Array.from({ length: b2 * b2 }, (_, i) => (i % (b2 + 1) === 0 ? 1 : 0));
  const wide = op.mul(all, op.constant(unit, [b2, 1, b2]));
  const each = op.reshape(wide, [layers.length, a1 * b2 * a2 * b2]);
  return layers.map(([path], n) => [path, op.reshape(op.slice(each, 0, n, n + 1), [a1 * b2, a2 * b2])]);
}
