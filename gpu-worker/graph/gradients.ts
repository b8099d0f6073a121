/**
 * @file Reverse-mode differentiation: the gradient of a scalar by any tensors, as more graph.
 * Blocks made with `checkpoint` keep only their inputs until the backward pass reaches them.
 */
import { currentDialect } from './device.ts';
import { GraphError } from './errors.ts';
import { cutOf } from './fused-nodes.ts';
import { gradRules, type InputGradients } from './grad-rules.ts';
import * as op from './ops.ts';
import type { Primitive } from './primitives.ts';
import { showShape, sideOf, sizeOf } from './shapes.ts';
import { inBlock, is, reachable, remake, type Node, type Tensor } from './tensor.ts';

/**
 * Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): the backward pass recomputes the values of `build`
 * from the block's inputs instead of keeping them. It keeps only the few results that are expensive for their size
 * (selected as in Korthikanti et al. 2022, arXiv 2205.05198, section 5). Blocks don't nest.
 */
export const checkpoint = inBlock;

/**
 * Multiplications per value from which a result is kept: those of 3×3 convolutions of 143 channels, of projections from
 * 1280 channels (the lowest levels of SD and SDXL) or of attention to 640 tokens.
 */
const KEPT_FROM = 1280;

/** Multiplications per value of a product; 0 for everything else. */
function multiplications(x: Tensor): number {
  if (is(x, 'conv2d')) return sizeOf(x.inputs[1].shape.slice(1));
  if (is(x, 'matmul')) return sideOf(x.inputs[1], -2);
  if (is(x, 'attention')) return 2 * sideOf(x.inputs[1], 1);
  return 0;
}

/**
 * The results of a block that are kept: of expensive products, or instead of one the sum that it is part of (with a bias,
 * an adapter's output or the block's input), which takes the same memory, if sums are wanted.
 */
function keptResults(members: readonly Node[], sums: boolean): ReadonlySet<Tensor> {
  const kept = new Set<Tensor>();
  for (const member of members) {
    const inputs: readonly Tensor[] = member.inputs;
    const isSum = member.primitive === 'add' || member.primitive === 'reshape';
    const goesOn =
      sums && isSum && inputs.some((x) => kept.has(x) && sizeOf(x.shape) === sizeOf(member.shape));
    if (goesOn || multiplications(member) >= KEPT_FROM) kept.add(member);
  }
  return kept;
}

/** Kept results, and what is part of nothing but kept sums: none of them is computed again. */
function settledResults(members: readonly Node[], kept: ReadonlySet<Tensor>): ReadonlySet<Tensor> {
  const settled = new Set(kept);
  const needed = new Set<Tensor>();
  for (const member of [...members].reverse()) {
    if (!needed.has(member)) settled.add(member);
    const isPart = settled.has(member) && (member.primitive === 'add' || member.primitive === 'reshape');
    if (!isPart) for (const x of member.inputs) needed.add(x);
  }
  return settled;
}

/**
 * dLoss/dT for each T of `targets`, in their order and shapes; zeros where the loss does not depend on one. Targets may
 * be results of other targets: gradients go through them.
 *
 * @param scale one number that multiplies the loss, and so the results: small gradients vanish in 16 bits (Micikevicius et
 * al. 2018, arXiv 1710.03740, section 3.2). A power of two loses nothing in fp32.
 * @throws GraphError GRAPH_SHAPE when the loss is not a scalar, GRAPH_NO_GRADIENT where a rule is missing
 */
export function gradients<const Targets extends readonly Tensor[]>(
  loss: Tensor,
  targets: Targets,
  scale?: Tensor,
): { [I in keyof Targets]: Tensor } {
  if (loss.shape.some((side) => side !== 1)) {
    throw new GraphError('GRAPH_SHAPE', `the loss must be one number, got shape ${showShape(loss.shape)}`);
  }
  const order = reachable([loss]);
  const wanted = new Set(targets);
  const moving = new Set<Tensor>(); // depends on a target
  for (const node of order) if (wanted.has(node) || node.inputs.some((x) => moving.has(x))) moving.add(node);

  const start = scale ? op.reshape(scale, loss.shape) : op.constant(Float32Array.of(1), loss.shape);
  const received = new Map<Tensor, Tensor[]>([[loss, [start]]]);
  const cuts = new CutGradients();
  const total = (tensor: Tensor): Tensor | undefined =>
    [...(received.get(tensor) ?? []), ...cuts.of(tensor)].reduce<Tensor | undefined>(
      (a, b) => (a ? op.add(a, b) : b),
      undefined,
    );
  const { fewLaunches } = currentDialect();
  const recompute = new Recomputation(order, wanted);

  for (const node of [...order].reverse()) {
    const inputs: readonly Tensor[] = node.inputs;
    if (!inputs.some((x) => moving.has(x))) continue;
    const dy = total(node);
    if (!dy) continue;
    received.set(node, [dy]);
    if (is(node, 'slice') && fewLaunches) {
      cuts.add(node, dy);
      continue;
    }
    const view = recompute.view(node, (member) => received.get(member));
    const inputGradients = applyRule(view, dy);
    inputs.forEach((x, i) => {
      const thunk = inputGradients[i];
      if (!thunk || !moving.has(x)) return;
      const dx = thunk();
      received.set(x, [...(received.get(x) ?? []), dx]);
      if (wanted.has(x)) recompute.finished(dx);
    });
  }
  const all = targets.map((target) => total(target) ?? op.broadcast(op.scalar(0), target.shape));
  return all as { [I in keyof Targets]: Tensor };
}

/** Gradients of tensors by their slices: joined where the slices make up the tensor, instead of padded and added up. */
class CutGradients {
  readonly #slices = new Map<Tensor, Map<Tensor<'slice'>, Tensor>>();

  add(slice: Tensor<'slice'>, dy: Tensor): void {
    const [x] = slice.inputs;
    this.#slices.set(x, (this.#slices.get(x) ?? new Map<Tensor<'slice'>, Tensor>()).set(slice, dy));
  }

  /** What they add up to, once. */
  of(x: Tensor): Tensor[] {
    const slices = this.#slices.get(x);
    this.#slices.delete(x);
    if (!slices) return [];
    const cut = cutOf(x, [...slices.keys()]);
    if (cut)
      return [
        op.concat(
          cut.parts.flatMap((part) => slices.get(part) ?? []),
          cut.axis,
        ),
      ];
    return [...slices].flatMap(([slice, dy]) => applyRule(slice, dy)[0]?.() ?? []);
  }
}

const applyRule = <P extends Primitive>(node: Tensor<P>, dy: Tensor): InputGradients =>
  gradRules[node.primitive](node, dy);

/**
 * Recomputes blocks, except their kept results, each after the gradient that needs it and after the target gradients of
 * the next block.
 */
class Recomputation {
  /** The nodes of each block that isn't open yet. */
  readonly #members = new Map<number, Node[]>();
  readonly #copies = new Map<Tensor, Tensor>();
  readonly #wanted: ReadonlySet<Tensor>;
  /** Copies and inputs that wait, and all that is computed from them. */
  readonly #late = new Set<Tensor>();
  /** Whether programs are to wait in as few places as possible, because each is a copy on the device. */
  readonly #sparing = currentDialect().fewLaunches;
  #finished: Tensor[] = [];

  constructor(order: readonly Node[], wanted: ReadonlySet<Tensor>) {
    this.#wanted = wanted;
    for (const node of order) {
      if (node.block === 0) continue;
      const members = this.#members.get(node.block);
      if (members) members.push(node);
      else this.#members.set(node.block, [node]);
    }
  }

  /** The target of which it is another form, if any: it costs nothing to keep. */
  #targetOf(x: Tensor): Tensor | null {
    if (this.#wanted.has(x)) return x;
    return is(x, 'reshape') || is(x, 'transpose') ? this.#targetOf(x.inputs[0]) : null;
  }

  /** Records a target's gradient: the next block waits for it, or the runtime would hold both blocks at once. */
  finished(gradient: Tensor): void {
    this.#finished.push(gradient);
  }

  /** The node itself, or its recomputed copy if it is in a block. */
  view(node: Tensor, received: (member: Tensor) => readonly Tensor[] | undefined): Tensor {
    if (node.block === 0 || node.inputs.length === 0) return node;
    const members = this.#members.get(node.block);
    if (members !== undefined) {
      this.#members.delete(node.block);
      this.#copy(members, received);
    }
    return this.#copies.get(node) ?? node;
  }

  #copy(members: readonly Node[], received: (member: Tensor) => readonly Tensor[] | undefined): void {
    const incoming = members.flatMap((member) => received(member) ?? []);
    const earlier = [...incoming, ...this.#finished];
    this.#finished = [];
    const inside = new Set<Tensor>(members);
    const kept = keptResults(members, this.#sparing);
    const settled: ReadonlySet<Tensor> = this.#sparing ? settledResults(members, kept) : new Set();
    const fixed = (x: Tensor): boolean =>
      x.primitive === 'weight' || x.primitive === 'constant' || this.#targetOf(x) !== null;
    /** Outside inputs and kept results, in the form in which this block reads them. */
    const delayed = new Map<Tensor, Tensor>();
    const delay = (x: Tensor): Tensor => {
      const late = op.after(x, earlier);
      delayed.set(x, late);
      this.#late.add(late);
      return late;
    };
    /** What stands for an input; null for one that is there before, and has to wait. */
    const standIn = (x: Tensor): Tensor | null => {
      if (kept.has(x)) return delayed.get(x) ?? null;
      return this.#copies.get(x) ?? delayed.get(x) ?? (inside.has(x) || fixed(x) ? x : null);
    };
    for (const member of members) {
      const before: readonly Tensor[] = member.inputs;
      if (before.length === 0 || this.#targetOf(member)) continue;
      // One late input is enough, except where a gradient starts from some of the inputs alone.
      const oneWaits = this.#sparing && member.primitive !== 'attention';
      const found = before.map(standIn);
      // A product or sum that is not computed again has inputs of which the gradients wait for its own.
      const isSettled = settled.has(member) && (is(member, 'matmul') || is(member, 'add'));
      let waits = isSettled || (oneWaits && found.some((x) => x !== null && this.#late.has(x)));
      const inputs = before.map((x, i) => {
        const known = found[i] ?? delayed.get(x);
        if (known) return known;
        if (waits) return x;
        waits = oneWaits;
        return delay(x);
      });
      // Computed from targets only, such as a product of factors: without a delay it would be computed once and kept.
      const ofTargets = !isSettled && inputs.every((x, i) => x === before[i]);
      const isLate = (x: Tensor): boolean => {
        const target = this.#targetOf(x);
        return target !== null && !inside.has(target);
      };
      const late = ofTargets ? inputs.findIndex(isLate) : -1;
      const copy = remake<Primitive>(member, (x, i) => (i === late ? delay(x) : (inputs[i] ?? x)));
      this.#copies.set(member, copy);
      const used: readonly Tensor[] = copy.inputs;
      if (used.some((x) => this.#late.has(x))) this.#late.add(copy);
    }
  }
}
