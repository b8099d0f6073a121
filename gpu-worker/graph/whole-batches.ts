/**
 * @file Moves reshapes behind the operations that can do without them. Layers flatten batches, because gradients need
 * matrices; where products read batches as they are, the reshapes of one layer then cancel with those of the next, and a
 * transpose in front of a product is read in place.
 */
import { shorterReshape, type Pass } from './passes.ts';
import type { Primitive } from './primitives.ts';
import { sameShape, sizeOf } from './shapes.ts';
import { is, make, remake, type Tensor } from './tensor.ts';

/** Each value from one value of the first input. */
const UNARY = new Set<Primitive>([
  'after',
  'cast',
  'neg',
  'exp',
  'sqrt',
  'erf',
  'sigmoid',
  'silu',
  'gelu',
  'quickGelu',
]);
/** Each value from one value of both inputs. */
const BINARY = new Set<Primitive>(['add', 'sub', 'mul', 'div', 'geluGrad']);

export const wholeBatches: Pass = {
  name: 'whole batches',
  begin: () => (node) => {
    if (is(node, 'reshape')) return shorterReshape(node);
    if (is(node, 'matmul')) return product(node) ?? node;
    const changed: readonly Tensor[] = UNARY.has(node.primitive)
      ? node.inputs.slice(0, 1)
      : BINARY.has(node.primitive)
        ? node.inputs
        : [];
    return (changed.length > 0 && reshapedAfter(node, changed)) || node;
  },
};

/** reshape(x) · w of a matrix w as the reshaped x · w. */
function product({ inputs: [a, w], params, shape }: Tensor<'matmul'>): Tensor | null {
  if (!is(a, 'reshape') || w.shape.length !== 2) return null;
  const [x] = a.inputs;
  if (x.shape.length < 3 || a.shape.length !== 2 || x.shape.at(-1) !== a.shape.at(-1)) return null;
  return make('reshape', { shape }, [make('matmul', params, [x, w])]);
}

/** An operation of values in the same places, on what its inputs were before they were reshaped; null if that differs. */
function reshapedAfter(node: Tensor, values: readonly Tensor[]): Tensor | null {
  const first = values.find((x) => is(x, 'reshape') && sameShape(x.shape, node.shape));
  if (!first || !is(first, 'reshape')) return null;
  const { shape } = first.inputs[0];
  const before = values.map((x) => asOf(x, node.shape, shape));
  if (before.includes(null)) return null;
  const moved = remake<Primitive>(node, (x, i) => before[i] ?? x);
  return sameShape(moved.shape, shape) ? make('reshape', { shape: node.shape }, [moved]) : null;
}

/** What stands for x if all that has the shape `from` has the shape `to`: it before its reshape, or itself if it is broadcast alike. */
function asOf(x: Tensor, from: readonly number[], to: readonly number[]): Tensor | null {
  if (is(x, 'reshape') && sameShape(x.shape, from) && sameShape(x.inputs[0].shape, to)) return x.inputs[0];
  if (sizeOf(x.shape) === 1 && x.shape.length <= to.length) return x;
  return x.shape.length === 1 && x.shape[0] === to.at(-1) && from.at(-1) === to.at(-1) ? x : null;
}
