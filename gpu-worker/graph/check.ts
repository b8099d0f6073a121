/**
 * @file Checks graphs and rewrites. The checks run around every pass, so that an error names the pass that broke the
 * graph.
 */
import { GraphError, messageOf } from './errors.ts';
import type { Primitive } from './primitives.ts';
import { shapeRules } from './shape-rules.ts';
import { sameShape, showShape } from './shapes.ts';
import { reachable, type Tensor } from './tensor.ts';

/** @throws GraphError GRAPH_ILLEGAL naming the stage and the tensor. */
export function checkGraph(outputs: readonly Tensor[], stage: string): void {
  const names = new Map<string, Tensor>();
  for (const node of reachable(outputs)) {
    const fail = (what: string): never => {
      throw new GraphError('GRAPH_ILLEGAL', `after ${stage}: %${node.id} = ${node.primitive} ${what}`);
    };
    for (const x of node.inputs) if (x.id >= node.id) fail(`uses %${x.id}, which is made later`);
    const given = attempt(() => ruleOf(node), fail);
    if (!sameShape(given.shape, node.shape) || given.dtype !== node.dtype) {
      fail(`has ${typeOf(node)}, its inputs give ${typeOf(given)}`);
    }
    if (node.primitive === 'input') {
      const twin = names.get(node.params.name);
      if (twin && twin !== node) fail(`has the name "${node.params.name}" of another input`);
      names.set(node.params.name, node);
    }
  }
}

const ruleOf = <P extends Primitive>({ primitive, params, inputs }: Tensor<P>) =>
  shapeRules[primitive](params, inputs);

const typeOf = ({ dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>): string => dtype + showShape(shape);

/** Applies a rule and reports its error with the stage. */
function attempt<T>(rule: () => T, fail: (what: string) => never): T {
  try {
    return rule();
  } catch (error) {
    return fail(`is impossible: ${messageOf(error)}`);
  }
}

/** Checks that a replacement has the tensor's shape and dtype. @throws GraphError GRAPH_ILLEGAL naming the stage. */
export function checkReplacement(node: Tensor, replacement: Tensor, stage: string): void {
  if (typeOf(node) !== typeOf(replacement)) {
    throw new GraphError(
      'GRAPH_ILLEGAL',
      `after ${stage}: ${replacement.primitive} of ${typeOf(replacement)} stands for %${node.id} = ${node.primitive} of ${typeOf(node)}`,
    );
  }
}
