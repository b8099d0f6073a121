/**
 * @file Reverse-mode differentiation: the gradient of a scalar by any tensors, as more graph.
 * Blocks made with `checkpoint` keep only their inputs until the backward pass reaches them.
 */
import { GraphError } from './errors.ts';
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
  const total = (tensor: Tensor): Tensor | undefined => received.get(tensor)?.reduce((a, b) => op.add(a, b));
  const recompute = new Recomputation(order, wanted);

  for (const node of [...order].reverse()) {
    const inputs: readonly Tensor[] = node.inputs;
    if (!inputs.some((x) => moving.has(x))) continue;
    const dy = total(node);
    if (!dy) continue;
    received.set(node, [dy]);
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
    const fixed = (x: Tensor): boolean =>
      x.primitive === 'weight' || x.primitive === 'constant' || this.#targetOf(x) !== null;
    /** Outside inputs and kept results, in the form in which this block reads them. */
    const delayed = new Map<Tensor, Tensor>();
    const delay = (x: Tensor): Tensor => {
      const late = op.after(x, earlier);
      delayed.set(x, late);
      return late;
    };
    for (const member of members) {
      const before: readonly Tensor[] = member.inputs;
      if (before.length === 0 || this.#targetOf(member)) continue;
      const inputs = before.map((x) => {
        const kept = inside.has(x) && multiplications(x) >= KEPT_FROM;
        if (kept) return delayed.get(x) ?? delay(x);
        return this.#copies.get(x) ?? delayed.get(x) ?? (inside.has(x) || fixed(x) ? x : delay(x));
      });
      // Computed from targets only, such as a product of factors: without a delay it would be computed once and kept.
      const ofTargets = inputs.every((x, i) => x === before[i]);
      const isLate = (x: Tensor): boolean => {
        const target = this.#targetOf(x);
        return target !== null && !inside.has(target);
      };
      const late = ofTargets ? inputs.findIndex(isLate) : -1;
      const copy = remake<Primitive>(member, (x, i) => (i === late ? delay(x) : (inputs[i] ?? x)));
      this.#copies.set(member, copy);
    }
  }
}
