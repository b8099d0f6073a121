/**
 * @file A symbolic tensor: the result of one primitive on other tensors. Building one computes nothing;
 * shapes and dtypes are checked at once, so a mistake is reported where it is made.
 */
import { GraphError } from './errors.ts';
import type { DType, Inputs, Params, Primitive, Shape } from './primitives.ts';
import { shapeRules } from './shape-rules.ts';

export { sizeOf } from './shapes.ts';

export interface Tensor<P extends Primitive = Primitive> {
  /** Increases with creation: sorting by it gives a topological order. */
  readonly id: number;
  readonly primitive: P;
  readonly params: Params<P>;
  readonly inputs: Inputs<P>;
  readonly shape: Shape;
  readonly dtype: DType;
  /** The checkpointed block of the tensor, 0 for none (`checkpoint` in gradients.ts). */
  readonly block: number;
}

/** A tensor whose primitive decides the types of its parameters and inputs. */
export type Node = { [P in Primitive]: Tensor<P> }[Primitive];

/** Narrows a tensor to one primitive. */
export const is = <P extends Primitive>(x: Tensor | undefined, primitive: P): x is Tensor<P> =>
  x?.primitive === primitive;

let created = 0;
let blocks = 0;
let currentBlock = 0;

/** Creates a tensor. Use the operations of ops.ts instead of calling it. @throws GraphError GRAPH_SHAPE, GRAPH_DTYPE */
export function make<P extends Primitive>(primitive: P, params: Params<P>, inputs: Inputs<P>): Tensor<P> {
  const { shape, dtype } = shapeRules[primitive](params, inputs);
  if (shape.some((side) => !Number.isInteger(side) || side < 0)) {
    throw new GraphError('GRAPH_SHAPE', `${primitive} would have the impossible shape [${shape.join(',')}]`);
  }
  return { id: ++created, primitive, params, inputs, shape, dtype, block: currentBlock };
}

/** The same operation on other inputs, `change(x, i)` in place of each. A leaf has none and stays unchanged. */
export function remake<P extends Primitive>(
  tensor: Tensor<P>,
  change: (x: Tensor, i: number) => Tensor,
): Tensor<P> {
  const { primitive, params } = tensor;
  const tensors: readonly Tensor[] = tensor.inputs;
  if (tensors.length === 0) return tensor;
  // `map` keeps the number of inputs, which TypeScript doesn't infer.
  return make(primitive, params, tensors.map(change) as readonly Tensor[] as Inputs<P>);
}

/** Puts everything that `build` makes into one block, recomputed as a whole in the backward pass. */
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
