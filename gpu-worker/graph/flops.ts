/**
 * @file The work of a graph: floating-point operations of the primitives that multiply matrices, two for each
 * multiply-add. Everything else counts 0, because rates are compared with that of a matrix product.
 */
import { runPasses } from './passes.ts';
import type { Primitive } from './primitives.ts';
import { sideOf, sizeOf } from './shapes.ts';
import { reachable, type Tensor } from './tensor.ts';

type FlopRule<P extends Primitive> = (y: Tensor<P>) => number;

const none = (): number => 0;

const flopRules: { readonly [P in Primitive]: FlopRule<P> } = {
  // Every result is a sum over the inner axis.
  matmul: (y) => 2 * sizeOf(y.shape) * sideOf(y.inputs[0], -1),
  // Every result is a sum over the window of every channel; padding zeros are multiplied too.
  conv2d: (y) => 2 * sizeOf(y.shape) * sizeOf(y.inputs[1].shape.slice(1)),
  depthwiseConv2d: (y) => 2 * sizeOf(y.shape) * sizeOf(y.inputs[1].shape.slice(1)),
  // The same products as forward, with dy as the result.
  conv2dInputGrad: (y) => 2 * sizeOf(y.inputs[0].shape) * sizeOf(y.inputs[1].shape.slice(1)),
  conv2dWeightGrad: (y) => 2 * sizeOf(y.inputs[1].shape) * sizeOf(y.shape.slice(1)),
  // q kᵀ, then its product with v: [S,T] sums over D values per head, twice.
  attention: (y) => 4 * sizeOf(y.shape) * sideOf(y.inputs[1], 1),

  input: none,
  weight: none,
  constant: none,
  neg: none,
  exp: none,
  log: none,
  sqrt: none,
  abs: none,
  sign: none,
  erf: none,
  sin: none,
  cos: none,
  tanh: none,
  sigmoid: none,
  silu: none,
  gelu: none,
  quickGelu: none,
  add: none,
  sub: none,
  mul: none,
  div: none,
  min: none,
  max: none,
  less: none,
  cast: none,
  stopGradient: none,
  after: none,
  reshape: none,
  transpose: none,
  broadcast: none,
  slice: none,
  pad: none,
  concat: none,
  upsample2x: none,
  sumPool2x: none,
  gatherRows: none,
  scatterAddRows: none,
  reduceSum: none,
  reduceMean: none,
  softmax: none,
  layerNorm: none,
  geluGrad: none,
  softmaxGrad: none,
  layerNormGrad: none,
  groupNorm: none,
};

const flopsOf = <P extends Primitive>(node: Tensor<P>): number => flopRules[node.primitive](node);

/** Operations of one run of these outputs, counted on the graph after the compiler's passes. */
export function countFlops(outputs: Readonly<Record<string, Tensor>>): number {
  return reachable(runPasses(Object.values(outputs))).reduce(
    (sum, node) => sum + flopsOf<Primitive>(node),
    0,
  );
}
