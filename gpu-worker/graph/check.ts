/** @file What a legal graph and a legal rewrite are: run with every pass, so that a broken one is named where it broke. */
import { GraphError } from './errors.ts';
import type { Primitive, PrimitiveParams } from './primitives.ts';
import { shapeRules } from './shape-rules.ts';
import { reachable, type Tensor } from './tensor.ts';

/** @throws GraphError GRAPH_ILLEGAL naming the stage and the tensor. */
export function checkGraph(outputs: readonly Tensor[], stage: string): void {
  const names = new Map<string, Tensor>();
  for (const node of reachable(outputs)) {
    const fail = (what: string): never => {
      throw new GraphError('GRAPH_ILLEGAL', `after ${stage}: %${node.id} = ${node.primitive} ${what}`);
    };
    for (const x of node.inputs) if (x.id >= node.id) fail(`uses %${x.id}, which is made later`);
    const rule = shapeRules[node.primitive] as (
      params: PrimitiveParams[Primitive],
      inputs: readonly Tensor[],
    ) => Pick<Tensor, 'shape' | 'dtype'>;
    const { shape, dtype } = attempt(() => rule(node.params, node.inputs), fail);
    if (shape.join() !== node.shape.join() || dtype !== node.dtype) {
      fail(`has ${node.dtype}[${node.shape.join(',')}], its inputs give ${dtype}[${shape.join(',')}]`);
    }
    if (node.primitive === 'input') {
      const twin = names.get(node.params.name);
      if (twin && twin !== node) fail(`has the name "${node.params.name}" of another input`);
      names.set(node.params.name, node);
    }
  }
}

/** What the rule says, its refusal told with the stage. */
function attempt<T>(rule: () => T, fail: (what: string) => never): T {
  try {
    return rule();
  } catch (error) {
    return fail(`is impossible: ${(error as Error).message}`);
  }
}

/** A tensor may only be replaced by one of its shape and dtype. @throws GraphError GRAPH_ILLEGAL naming the stage. */
export function checkReplacement(node: Tensor, replacement: Tensor, stage: string): void {
  const type = ({ dtype, shape }: Tensor): string => `${dtype}[${shape.join(',')}]`;
  if (type(node) !== type(replacement)) {
    throw new GraphError(
      'GRAPH_ILLEGAL',
      `after ${stage}: ${replacement.primitive} of ${type(replacement)} stands for %${node.id} = ${node.primitive} of ${type(node)}`,
    );
  }
}
