/**
 * @file Reverse-mode differentiation: the gradient of a scalar by any tensors, as more graph.
 * Blocks made with `checkpoint` keep only their inputs until the backward pass reaches them.
 */
import { GraphError } from './errors.ts';
import { gradRules, type InputGradients } from './grad-rules.ts';
import * as op from './ops.ts';
import { inBlock, make, reachable, sizeOf, type Node, type Tensor } from './tensor.ts';

/**
 * Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): what `build` computes is not kept for the backward
 * pass but computed again there, from the block's inputs; save the few results that take long for their size, which are
 * kept (as Korthikanti et al. 2022, arXiv 2205.05198, section 5, choose). Blocks do not nest.
 */
export const checkpoint = inBlock;

/**
 * Multiplications behind each value from which on a result is kept: those of 3×3 convolutions of 143 channels, of
 * projections from 1280 channels (the lowest levels of SD and SDXL) or of attention to 640 tokens.
 */
const KEPT_FROM = 1280;

/** Multiplications behind each value of a product; 0 for everything else. */
function multiplications({ primitive, inputs }: Node): number {
  const [, second] = inputs;
  switch (primitive) {
    case 'conv2d':
      return sizeOf(second!.shape.slice(1));
    case 'matmul':
      return second!.shape.at(-2)!;
    case 'attention':
      return 2 * second!.shape[1]!;
    default:
      return 0;
  }
}

/**
 * dLoss/dT for each T of `targets`, in their order and shapes; zeros where the loss does not depend on one. Targets
 * may be results of other targets: gradients go through them.
 *
 * @param scale what the loss is multiplied by on the way and the results divided by, one number: small gradients vanish
 * in 16 bits (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2). A power of two changes nothing in fp32.
 * @throws GraphError GRAPH_SHAPE when the loss is not a scalar, GRAPH_NO_GRADIENT where a rule is missing
 */
export function gradients(loss: Tensor, targets: readonly Tensor[], scale?: Tensor): Tensor[] {
  if (loss.shape.some((side) => side !== 1)) {
    throw new GraphError('GRAPH_SHAPE', `the loss must be one number, got shape [${loss.shape.join(',')}]`);
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
    if (!node.inputs.some((x) => moving.has(x))) continue;
    const dy = total(node);
    if (!dy) continue;
    received.set(node, [dy]);
    const view = recompute.view(node, (member) => received.get(member));
    const inputGradients = applyRule(view, dy);
    node.inputs.forEach((x, i) => {
      const thunk = inputGradients[i];
      if (!thunk || !moving.has(x)) return;
      const dx = thunk();
      received.set(x, [...(received.get(x) ?? []), dx]);
      if (wanted.has(x)) recompute.finished(dx);
    });
  }
  const unscaled = (gradient: Tensor): Tensor => (scale ? op.div(gradient, scale) : gradient);
  return targets.map((target) => {
    const gradient = total(target);
    return gradient ? unscaled(gradient) : op.broadcast(op.scalar(0), target.shape);
  });
}

function applyRule(node: Node, dy: Tensor): InputGradients {
  const rule = gradRules[node.primitive] as (y: Tensor, dy: Tensor) => InputGradients;
  return rule(node, dy);
}

/**
 * Makes blocks again, without what is kept of them, each not before the gradient that needs it and the target gradients
 * of the block after it.
 */
class Recomputation {
  readonly #members = new Map<number, Node[]>();
  readonly #copies = new Map<Tensor, Tensor>();
  readonly #opened = new Set<number>();
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

  /** Notes a target's gradient: the next block waits for it, or the runtime would hold both blocks at once. */
  finished(gradient: Tensor): void {
    this.#finished.push(gradient);
  }

  /** The node itself, or its recomputed copy when it lies in a block. */
  view(node: Node, received: (member: Tensor) => readonly Tensor[] | undefined): Node {
    if (node.block === 0 || node.inputs.length === 0) return node;
    if (!this.#opened.has(node.block)) {
      this.#opened.add(node.block);
      this.#copy(this.#members.get(node.block)!, received);
    }
    return (this.#copies.get(node) ?? node) as Node;
  }

  #copy(members: readonly Node[], received: (member: Tensor) => readonly Tensor[] | undefined): void {
    const incoming = members.flatMap((member) => received(member) ?? []);
    const earlier = [...incoming, ...this.#finished];
    this.#finished = [];
    const inside = new Set<Tensor>(members);
    const fixed = (x: Tensor): boolean =>
      x.primitive === 'weight' || x.primitive === 'constant' || this.#wanted.has(x);
    /** What comes from outside and what is kept, in the form in which this block reads it. */
    const delayed = new Map<Tensor, Tensor>();
    const delay = (x: Tensor): Tensor => {
      const late = op.after(x, earlier);
      delayed.set(x, late);
      return late;
    };
    for (const member of members) {
      if (member.inputs.length === 0 || this.#wanted.has(member)) continue;
      const inputs = member.inputs.map((x) => {
        const kept = inside.has(x) && multiplications(x as Node) >= KEPT_FROM;
        if (kept) return delayed.get(x) ?? delay(x);
        return this.#copies.get(x) ?? delayed.get(x) ?? (inside.has(x) || fixed(x) ? x : delay(x));
      });
      if (inputs.every((x, i) => x === member.inputs[i])) {
        // Made of targets alone, such as a product of factors: without a delay it would be computed once and kept.
        const target = inputs.findIndex((x) => this.#wanted.has(x) && !inside.has(x));
        if (target >= 0) inputs[target] = delay(inputs[target]!);
      }
      this.#copies.set(member, make(member.primitive, member.params, inputs));
    }
  }
}
