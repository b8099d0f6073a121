/**
 * @file Computes a graph's peak memory, for machines that aren't at hand: every result lives from the node that makes
 * it to the last that reads it, in the order in which the graph was written.
 */
import { at } from '../../core/at.ts';
import { compiledGraph, type Precision } from './compile.ts';
import type { Primitive } from './primitives.ts';
import { BYTES } from './shape-rules.ts';
import { reachable, sizeOf, type Node, type Tensor } from './tensor.ts';

export interface GraphMemory {
  /** Bytes of the weights, in the types that the graph uses. */
  readonly weights: number;
  /** Peak bytes of all other tensors, inputs and results included. */
  readonly activations: number;
}

/** A view of the input, in the same memory. */
const VIEWS = new Set<Primitive>(['reshape', 'after', 'stopGradient']);

/** Tensors of the result's size that are held while primitives of several operators run (onnx-gradients.ts). */
const SCRATCH: Partial<Record<Primitive, number>> = { geluGrad: 3, softmaxGrad: 1, layerNormGrad: 2 };

const inputsOf = ({ inputs }: Tensor): readonly Tensor[] => inputs;

const bytesOf = ({ shape, dtype }: Tensor): number => sizeOf(shape) * BYTES[dtype];

/** The tensor whose memory a weight uses: products read transposed ones in place. */
function stored(x: Tensor): Tensor {
  const inputs: readonly Tensor[] = x.inputs;
  return x.primitive === 'transpose' || VIEWS.has(x.primitive) ? stored(at(inputs, 0)) : x;
}

/**
 * Computes what a session of these outputs would hold. Kernel workspaces and the runtime's own memory aren't counted.
 */
export function graphMemory(outputs: Readonly<Record<string, Tensor>>, precision: Precision): GraphMemory {
  const results = compiledGraph(Object.values(outputs), precision);
  const order = reachable(results);
  // Values computed from weights and constants only are computed once, when a session opens.
  const fixed = new Set<Tensor>();
  for (const node of order)
    if (node.primitive !== 'input' && inputsOf(node).every((x) => fixed.has(x))) fixed.add(node);
  const owner = new Map<Tensor, Tensor>();
  const last = new Map<Tensor, Node>();
  const ownerOf = (x: Tensor): Tensor => owner.get(x) ?? x;
  for (const node of order) {
    const inputs = inputsOf(node);
    owner.set(node, VIEWS.has(node.primitive) ? ownerOf(at(inputs, 0)) : node);
    for (const x of inputs) last.set(ownerOf(x), node);
  }
  const kept = new Set(results.map(ownerOf));

  const held = new Set<Tensor>();
  let turned = 0;
  for (const node of order) {
    if (fixed.has(node)) continue;
    for (const x of inputsOf(node)) if (fixed.has(x)) held.add(stored(x));
    // Its backward convolution reads a frozen weight rotated by 180°, which the runtime folds into a copy.
    if (node.primitive !== 'conv2dInputGrad' || node.params.stride !== 1) continue;
    const [, weight] = node.inputs;
    if (fixed.has(weight)) turned += bytesOf(weight);
  }
  const weights = [...held].reduce((sum, x) => sum + bytesOf(x), turned);

  let [live, activations] = [0, 0];
  for (const node of order) {
    if (fixed.has(node)) continue;
    if (owner.get(node) === node) live += bytesOf(node);
    activations = Math.max(activations, live + (SCRATCH[node.primitive] ?? 0) * bytesOf(node));
    for (const x of new Set(inputsOf(node).map(ownerOf)))
      if (last.get(x) === node && !kept.has(x) && !fixed.has(x)) live -= bytesOf(x);
  }
  return { weights, activations };
}
