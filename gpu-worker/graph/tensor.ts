/**
 * @file A symbolic tensor: the result of one primitive on other tensors. Building one computes nothing;
 * shapes and dtypes are checked at once, so a mistake is reported where it is made.
 */
import { GraphError } from './errors.ts';
import type { DType, Primitive, PrimitiveParams, Shape } from './primitives.ts';
import { shapeRules } from './shape-rules.ts';

export interface Tensor<P extends Primitive = Primitive> {
  /** Grows with creation: sorting by it is a topological order. */
  readonly id: number;
  readonly primitive: P;
  readonly params: PrimitiveParams[P];
  readonly inputs: readonly Tensor[];
  readonly shape: Shape;
  readonly dtype: DType;
  /** The checkpointed block that it belongs to, 0 for none (see checkpoint.ts). */
  readonly block: number;
}

/** A tensor whose primitive decides the type of its params. */
export type Node = { [P in Primitive]: Tensor<P> }[Primitive];

let created = 0;
let blocks = 0;
let currentBlock = 0;

/** Makes one tensor. The operations of ops.ts are the way to call it. @throws GraphError GRAPH_SHAPE, GRAPH_DTYPE */
export function make<P extends Primitive>(
  primitive: P,
  params: PrimitiveParams[P],
  inputs: readonly Tensor[] = [],
): Tensor<P> {
  const { shape, dtype } = shapeRules[primitive](params, inputs);
  if (shape.some((side) => !Number.isInteger(side) || side < 0)) {
    throw new GraphError('GRAPH_SHAPE', `${primitive} would have the impossible shape [${shape.join(',')}]`);
  }
  return { id: ++created, primitive, params, inputs, shape, dtype, block: currentBlock };
}

/** Everything that `build` makes belongs to one block, recomputed as a whole in the backward pass. */
export function inBlock<T>(build: () => T): T {
  const outer = currentBlock;
  currentBlock = ++blocks;
  try {
    return build();
  } finally {
    currentBlock = outer;
  }
}

/** All tensors that `outputs` need, inputs before users. */
export function reachable(outputs: readonly Tensor[]): Node[] {
  const seen = new Set<Tensor>();
  const stack = [...outputs];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    stack.push(...tensor.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id) as Node[];
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, side) => product * side, 1);
