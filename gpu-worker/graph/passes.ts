/** @file Rewrites that make a graph smaller without changing what it computes. Each has a name and leaves a legal graph. */
import { checkGraph, checkReplacement } from './check.ts';
import type { Primitive, PrimitiveParams } from './primitives.ts';
import { make, reachable, type Node, type Tensor } from './tensor.ts';

export interface Pass {
  readonly name: string;
  /** A replacement for the node whose inputs were already rewritten, or the node itself. */
  begin(): (node: Node) => Tensor;
}

/**
 * Drops what does nothing: x·1, x+0, a reshape of a reshape, two transposes that cancel; turns (AB)ᵀ into BᵀAᵀ, and rows
 * of a frozen weight into a shorter weight, as they lie together in its file.
 */
export const simplify: Pass = {
  name: 'simplify',
  begin: () => (node) => {
    const [a, b] = node.inputs;
    switch (node.primitive) {
      case 'mul':
        if (isConstant(b, 1) && sameList(a!.shape, node.shape)) return a!;
        if (isConstant(a, 1) && sameList(b!.shape, node.shape)) return b!;
        return node;
      case 'add':
        if (isConstant(b, 0) && sameList(a!.shape, node.shape)) return a!;
        if (isConstant(a, 0) && sameList(b!.shape, node.shape)) return b!;
        return node;
      case 'reshape': {
        const source = a!.primitive === 'reshape' ? a!.inputs[0]! : a!;
        if (sameList(source.shape, node.shape)) return source;
        return source === a ? node : make('reshape', node.params, [source]);
      }
      case 'transpose': {
        if (a!.primitive === 'matmul' && node.shape.length === 2) {
          // (A B)ᵀ = Bᵀ Aᵀ, free where a product reads its inputs transposed (the gradient of every linear layer).
          const [left, right] = a!.inputs as [Tensor, Tensor];
          if (left.shape.length === 2 && right.shape.length === 2)
            return make('matmul', {}, [flip(right), flip(left)]);
        }
        if (a!.primitive !== 'transpose') return node;
        const inner = (a as Tensor<'transpose'>).params.perm;
        const perm = node.params.perm.map((axis) => inner[axis]!);
        return perm.every((axis, i) => axis === i) ? a!.inputs[0]! : make('transpose', { perm }, a!.inputs);
      }
      case 'slice':
        return weightRows(node) ?? node;
      default:
        return node;
    }
  },
};

/** The weight that is left of one, also of one that is widened, when only rows are cut off; else null. */
function weightRows({ params: { starts, ends, steps }, inputs }: Tensor<'slice'>): Tensor | null {
  const x = inputs[0]! as Node;
  if (x.primitive === 'cast') {
    const rows =
      x.inputs[0]!.primitive === 'weight'
        ? weightRows(make('slice', { starts, ends, steps }, x.inputs))
        : null;
    return rows && make('cast', x.params, [rows]);
  }
  const [start, end] = [starts[0]!, ends[0]!];
  const whole = x.shape.every(
    (side, i) => i === 0 || (starts[i] === 0 && ends[i] === side && steps[i] === 1),
  );
  if (x.primitive !== 'weight' || !whole || steps[0] !== 1) return null;
  const { name, shape, dtype, source } = x.params;
  const row = source.length / shape[0]!;
  return make('weight', {
    name: `${name}[${start}:${end}]`,
    shape: [end - start, ...shape.slice(1)],
    dtype,
    source: { path: source.path, offset: source.offset + start * row, length: (end - start) * row },
  });
}

/** Computes the same thing once. Recomputed blocks stay apart: their inputs come from their own `after`. */
export const deduplicate: Pass = {
  name: 'deduplicate',
  begin: () => {
    const known = new Map<string, Tensor>();
    return (node) => {
      const key = `${node.primitive}(${node.inputs.map((x) => x.id).join(',')})${paramsKey(node)}`;
      const twin = known.get(key);
      if (twin) return twin;
      known.set(key, node);
      return node;
    };
  },
};

export const PASSES: readonly Pass[] = [simplify, deduplicate];

/**
 * Runs passes in order, with the checker before and after each of them. Returns the outputs in the same order.
 * @throws GraphError GRAPH_ILLEGAL naming the pass that broke the graph
 */
export function runPasses(outputs: readonly Tensor[], passes = PASSES): Tensor[] {
  let current = [...outputs];
  checkGraph(current, 'building');
  for (const pass of passes) {
    current = rewrite(current, pass);
    checkGraph(current, pass.name);
  }
  return current;
}

function rewrite(outputs: readonly Tensor[], pass: Pass): Tensor[] {
  const replace = pass.begin();
  const done = new Map<Tensor, Tensor>();
  for (const node of reachable(outputs)) {
    const inputs = node.inputs.map((x) => done.get(x)!);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const moved = same ? node : make<Primitive>(node.primitive, node.params, inputs);
    const replacement = replace(moved as Node);
    checkReplacement(node, replacement, pass.name);
    done.set(node, replacement);
  }
  return outputs.map((output) => done.get(output)!);
}

/** The transpose of a matrix, without making two transposes of one. */
const flip = (x: Tensor): Tensor =>
  x.primitive === 'transpose' ? x.inputs[0]! : make('transpose', { perm: [1, 0] }, [x]);

function isConstant(tensor: Tensor | undefined, value: number): tensor is Tensor<'constant'> {
  if (tensor?.primitive !== 'constant') return false;
  const { data } = tensor.params as PrimitiveParams['constant'];
  return data instanceof Float32Array && data.every((x) => x === value);
}

function paramsKey(node: Node): string {
  if (node.primitive !== 'constant') return JSON.stringify(node.params);
  const { data, shape } = node.params;
  // Only small constants are worth comparing; a large one equals itself alone.
  return data.length <= 64 ? `${data.constructor.name}${shape.join('x')}:${data.join()}` : `#${node.id}`;
}

const sameList = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);
