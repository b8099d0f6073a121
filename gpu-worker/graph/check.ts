/** @file What a legal graph is: run after every pass, so that a broken rewrite is named where it happened. */
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
    const { shape, dtype } = rule(node.params, node.inputs);
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
