/** @file Nodes that are not written out one by one, because one operator does the work of several. */
import type { Dialect } from './dialect.ts';
import { sameShape } from './shapes.ts';
import { is, make, type Node, type Tensor } from './tensor.ts';

/** The tensor of which this is a plain transpose of the last two axes, if any: products read it so at no cost. */
export function untransposed(x: Tensor): Tensor | null {
  if (!is(x, 'transpose')) return null;
  const last = x.shape.length - 1;
  const swaps = x.params.perm.every(
    (axis, i) => axis === (i === last ? last - 1 : i === last - 1 ? last : i),
  );
  return swaps ? x.inputs[0] : null;
}

/** Whether the product has an operator that takes transposed operands: Gemm for matrices, FusedMatMul for batches. */
export function readsTransposed({ inputs }: Tensor<'matmul'>, { fewLaunches }: Dialect): boolean {
  const ranks = inputs.map((x: Tensor) => x.shape.length);
  return ranks.every((rank) => rank === 2) || fewLaunches;
}

/** Transposes that only such products use. */
export function absorbedTransposes(
  order: readonly Node[],
  results: readonly Tensor[],
  dialect: Dialect,
): Set<Tensor> {
  const kept = new Set<Tensor>(results);
  for (const node of order) {
    const inputs: readonly Tensor[] = node.inputs;
    if (node.primitive !== 'matmul' || !readsTransposed(node, dialect)) for (const x of inputs) kept.add(x);
  }
  return new Set(order.filter((node) => untransposed(node) && !kept.has(node)));
}

/** Summands at most: the card's operator adds eight tensors of one shape in one launch. */
const SUMMANDS = 8;

/** What additions of one shape add up, and those that are part of another one, because nothing else uses them. */
export interface Sums {
  readonly summands: ReadonlyMap<Tensor, readonly Tensor[]>;
  readonly absorbed: ReadonlySet<Tensor>;
}

export function longSums(order: readonly Node[], results: readonly Tensor[]): Sums {
  const uses = new Map<Tensor, number>();
  for (const x of [...results, ...results, ...order.flatMap(({ inputs }): readonly Tensor[] => inputs)])
    uses.set(x, (uses.get(x) ?? 0) + 1);
  const summands = new Map<Tensor, readonly Tensor[]>();
  const absorbed = new Set<Tensor>();
  for (const node of order) {
    const inputs: readonly Tensor[] = node.inputs;
    if (node.primitive !== 'add' || !inputs.every((x) => sameShape(x.shape, node.shape))) continue;
    const inner = inputs.filter((x) => summands.has(x) && uses.get(x) === 1);
    const all = inputs.flatMap((x) => (inner.includes(x) ? (summands.get(x) ?? []) : [x]));
    summands.set(node, all.length > SUMMANDS ? inputs : all);
    if (all.length <= SUMMANDS) for (const x of inner) absorbed.add(x);
  }
  return { summands, absorbed };
}

/** Slices that make up a whole tensor, in order along one axis. */
export interface Cut {
  readonly axis: number;
  readonly parts: readonly Tensor<'slice'>[];
}

/** So many slices are worth copying what lies between them. */
const MANY = 8;

/** The cut that each slice belongs to, where slices make up a tensor: one Split makes them all. */
export function wholeCuts(order: readonly Node[]): ReadonlyMap<Tensor, Cut> {
  const slices = new Map<Tensor, Tensor<'slice'>[]>();
  for (const node of order) {
    if (node.primitive !== 'slice') continue;
    const [x] = node.inputs;
    const others = slices.get(x);
    if (others) others.push(node);
    else slices.set(x, [node]);
  }
  const cuts = new Map<Tensor, Cut>();
  for (const [whole, parts] of slices) {
    const cut = cutOf(whole, parts.length < MANY ? parts : [...parts, ...gapsBetween(whole, parts)]);
    if (cut) for (const part of parts) cuts.set(part, cut);
  }
  return cuts;
}

/** The first axis on which a slice is not whole; -1 if there is none. */
const cutAxis = ({ shape }: Pick<Tensor, 'shape'>, slices: readonly Tensor<'slice'>[]): number =>
  shape.findIndex((side, i) =>
    slices.some(({ params }) => params.starts[i] !== 0 || params.ends[i] !== side),
  );

/** Slices that nothing reads, for what lies between and around these. */
function gapsBetween(whole: Tensor, slices: readonly Tensor<'slice'>[]): Tensor<'slice'>[] {
  const axis = cutAxis(whole, slices);
  const bounds = slices.map(({ params }) => [params.starts[axis] ?? 0, params.ends[axis] ?? 0] as const);
  const gaps: Tensor<'slice'>[] = [];
  let from = 0;
  for (const [start, end] of [
    ...bounds.toSorted(([a], [b]) => a - b),
    [whole.shape[axis] ?? 0, 0] as const,
  ]) {
    if (start > from)
      gaps.push(
        make(
          'slice',
          {
            starts: whole.shape.map((_, i) => (i === axis ? from : 0)),
            ends: whole.shape.map((side, i) => (i === axis ? start : side)),
            steps: whole.shape.map(() => 1),
          },
          [whole],
        ),
      );
    from = end;
  }
  return gaps;
}

/** The cut that the slices of a tensor make, if they make it up. */
export function cutOf({ shape }: Tensor, slices: readonly Tensor<'slice'>[]): Cut | null {
  const axis = cutAxis({ shape }, slices);
  if (axis < 0) return null;
  const parts = slices.toSorted((a, b) => (a.params.starts[axis] ?? 0) - (b.params.starts[axis] ?? 0));
  const adjoins = parts.every(({ params: { starts, ends, steps } }, n) =>
    shape.every((side, i) => {
      if (steps[i] !== 1) return false;
      const [from, to] = i === axis ? [n === 0 ? 0 : parts[n - 1]?.params.ends[i], ends[i]] : [0, side];
      return starts[i] === from && ends[i] === to;
    }),
  );
  return adjoins && parts.at(-1)?.params.ends[axis] === shape[axis] ? { axis, parts } : null;
}
