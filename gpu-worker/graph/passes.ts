/** @file Rewrites that make a graph smaller without changing what it computes. Each has a name and leaves a legal graph. */
import { checkGraph, checkReplacement } from './check.ts';
import { untransposed } from './fused-nodes.ts';
import type { Primitive } from './primitives.ts';
import { sameShape, sideOf } from './shapes.ts';
import { is, make, reachable, remake, type Tensor } from './tensor.ts';

export interface Pass {
  readonly name: string;
  /** A replacement for the node with rewritten inputs, or the node itself. */
  begin(): (node: Tensor) => Tensor;
}

/**
 * Drops operations without effect: x·1, x+0, a reshape of a reshape, two transposes that cancel; turns (AB)ᵀ into BᵀAᵀ,
 * and rows of a frozen weight into a shorter weight, as they lie together in its file.
 */
const simplify = (keepSwaps: boolean): Pass => ({
  name: 'simplify',
  begin: () => (node) => {
    if (is(node, 'mul')) return withoutNeutral(node, 1);
    if (is(node, 'add')) return withoutNeutral(node, 0);
    if (is(node, 'reshape')) return shorterReshape(node);
    if (is(node, 'transpose')) return shorterTranspose(node, keepSwaps);
    if (is(node, 'slice')) return weightRows(node) ?? node;
    return node;
  },
});

/** x of x·1, 1·x, x+0 and 0+x where nothing is broadcast. */
function withoutNeutral(node: Tensor<'mul' | 'add'>, neutral: number): Tensor {
  const [a, b] = node.inputs;
  if (isConstant(b, neutral) && sameShape(a.shape, node.shape)) return a;
  if (isConstant(a, neutral) && sameShape(b.shape, node.shape)) return b;
  return node;
}

/** A reshape of a reshape as one, or none where the shape stays. */
export function shorterReshape(node: Tensor<'reshape'>): Tensor {
  const [a] = node.inputs;
  const source = is(a, 'reshape') ? a.inputs[0] : a;
  if (sameShape(source.shape, node.shape)) return source;
  return source === a ? node : make('reshape', node.params, [source]);
}

/**
 * @param keepSwaps whether a swap of the last two axes stays apart, so that it costs nothing in front of products, and the
 * transpose before it is shared
 */
function shorterTranspose(node: Tensor<'transpose'>, keepSwaps: boolean): Tensor {
  const [a] = node.inputs;
  if (is(a, 'matmul') && node.shape.length === 2) {
    // (A B)ᵀ = Bᵀ Aᵀ, free where a product reads its inputs transposed (the gradient of every linear layer).
    const [left, right] = a.inputs;
    if (left.shape.length === 2 && right.shape.length === 2)
      return make('matmul', a.params, [flip(right), flip(left)]);
  }
  if (!is(a, 'transpose')) return node;
  const inner = a.params.perm;
  const perm = node.params.perm.flatMap((axis) => inner[axis] ?? []);
  if (perm.every((axis, i) => axis === i)) return a.inputs[0];
  return keepSwaps && untransposed(node) ? node : make('transpose', { perm }, a.inputs);
}

/** The weight that remains when only rows of one, perhaps a widened one, are cut off; else null. */
function weightRows({ params: { starts, ends, steps }, inputs }: Tensor<'slice'>): Tensor | null {
  const [x] = inputs;
  if (is(x, 'cast')) {
    const [weight] = x.inputs;
    const rows = is(weight, 'weight') ? weightRows(make('slice', { starts, ends, steps }, [weight])) : null;
    return rows && make('cast', x.params, [rows]);
  }
  const [start = 0] = starts;
  const [end = 0] = ends;
  const whole = x.shape.every(
    (side, i) => i === 0 || (starts[i] === 0 && ends[i] === side && steps[i] === 1),
  );
  if (!is(x, 'weight') || !whole || steps[0] !== 1) return null;
  const { name, shape, dtype, source } = x.params;
  const row = source.length / sideOf(x, 0);
  const params = {
    name: `${name}[${start}:${end}]`,
    shape: [end - start, ...shape.slice(1)],
    dtype,
    source: { path: source.path, offset: source.offset + start * row, length: (end - start) * row },
  };
  return make('weight', params, []);
}

/** Merges equal computations. Recomputed blocks stay separate: their inputs come from separate `after` nodes. */
const deduplicate: Pass = {
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

export const PASSES: readonly Pass[] = [simplify(false), deduplicate];
/** Where products read transposed operands of any rank (Dialect.fewLaunches). */
export const CARD_PASSES: readonly Pass[] = [simplify(true), deduplicate];

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
  /** Inputs precede their users, so it exists. */
  const rewritten = (x: Tensor): Tensor => done.get(x) ?? x;
  for (const node of reachable(outputs)) {
    const inputs: readonly Tensor[] = node.inputs;
    const moved = inputs.every((x) => rewritten(x) === x) ? node : remake<Primitive>(node, rewritten);
    const replacement = replace(moved);
    checkReplacement(node, replacement, pass.name);
    done.set(node, replacement);
  }
  return outputs.map(rewritten);
}

/** The transpose of a matrix; reuses an existing one. */
const flip = (x: Tensor): Tensor =>
  is(x, 'transpose') ? x.inputs[0] : make('transpose', { perm: [1, 0] }, [x]);

function isConstant(tensor: Tensor, value: number): boolean {
  if (!is(tensor, 'constant')) return false;
  const { data } = tensor.params;
  return data instanceof Float32Array && data.every((x) => x === value);
}

function paramsKey(node: Tensor): string {
  if (!is(node, 'constant')) return JSON.stringify(node.params);
  const { data, shape } = node.params;
  // Only small constants are worth comparing; a large one equals only itself.
  return data.length <= 64 ? `${data.constructor.name}${shape.join('x')}:${data.join()}` : `#${node.id}`;
}
