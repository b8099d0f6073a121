/**
 * @file The operations for models, losses and optimisers: one function per primitive, and a few common compositions.
 * All shapes are static.
 */
import { GraphError } from './errors.ts';
import type { DType, Pads, Shape } from './primitives.ts';
import { sameShape as same, sidesOf, sizeOf } from './shapes.ts';
import { is, make, type Tensor } from './tensor.ts';

// Leaves

export const input = (name: string, shape: Shape, dtype: DType = 'float32'): Tensor =>
  make('input', { name, shape, dtype }, []);
export const constant = (data: Float32Array | BigInt64Array, shape: Shape): Tensor =>
  make('constant', { shape, data }, []);
export const scalar = (value: number): Tensor => constant(new Float32Array([value]), []);

// Elementwise

type Operand = Tensor | number;
const lift = (x: Operand): Tensor => (typeof x === 'number' ? scalar(x) : x);
/** The scalar 1, such as the strength of an adapter in training. */
const isOne = (x: Operand): boolean =>
  x === 1 || (typeof x === 'object' && is(x, 'constant') && x.shape.length === 0 && x.params.data[0] === 1);

export const neg = (x: Tensor): Tensor => make('neg', {}, [x]);
export const exp = (x: Tensor): Tensor => make('exp', {}, [x]);
export const log = (x: Tensor): Tensor => make('log', {}, [x]);
export const sqrt = (x: Tensor): Tensor => make('sqrt', {}, [x]);
export const abs = (x: Tensor): Tensor => make('abs', {}, [x]);
export const sign = (x: Tensor): Tensor => make('sign', {}, [x]);
export const erf = (x: Tensor): Tensor => make('erf', {}, [x]);
export const sin = (x: Tensor): Tensor => make('sin', {}, [x]);
export const cos = (x: Tensor): Tensor => make('cos', {}, [x]);
export const tanh = (x: Tensor): Tensor => make('tanh', {}, [x]);
export const sigmoid = (x: Tensor): Tensor => make('sigmoid', {}, [x]);
export const silu = (x: Tensor): Tensor => make('silu', {}, [x]);
export const gelu = (x: Tensor): Tensor => make('gelu', {}, [x]);
export const quickGelu = (x: Tensor): Tensor => make('quickGelu', {}, [x]);
export const add = (a: Operand, b: Operand): Tensor => make('add', {}, [lift(a), lift(b)]);
export const sub = (a: Operand, b: Operand): Tensor => make('sub', {}, [lift(a), lift(b)]);
export function mul(a: Operand, b: Operand): Tensor {
  if (isOne(b)) return lift(a);
  return isOne(a) ? lift(b) : make('mul', {}, [lift(a), lift(b)]);
}
export const div = (a: Operand, b: Operand): Tensor => make('div', {}, [lift(a), lift(b)]);
export const min = (a: Operand, b: Operand): Tensor => make('min', {}, [lift(a), lift(b)]);
export const max = (a: Operand, b: Operand): Tensor => make('max', {}, [lift(a), lift(b)]);
export const less = (a: Operand, b: Operand): Tensor => make('less', {}, [lift(a), lift(b)]);
export const square = (x: Tensor): Tensor => mul(x, x);
/** The squared Euclidean norm of all values, a scalar. */
export const sumOfSquares = (x: Tensor): Tensor => reshape(sum(square(x)), []);
export const cast = (x: Tensor, to: DType): Tensor => (x.dtype === to ? x : make('cast', { to }, [x]));
export const stopGradient = (x: Tensor): Tensor => make('stopGradient', {}, [x]);
export const after = (x: Tensor, earlier: readonly Tensor[]): Tensor =>
  earlier.length === 0 ? x : make('after', {}, [x, ...earlier]);

// Movement

export const reshape = (x: Tensor, shape: Shape): Tensor =>
  same(x.shape, shape) ? x : make('reshape', { shape }, [x]);
export const transpose = (x: Tensor, perm: readonly number[]): Tensor =>
  perm.every((axis, i) => axis === i) ? x : make('transpose', { perm }, [x]);
/** Swaps the last two axes. */
export const swap = (x: Tensor): Tensor => {
  const rank = x.shape.length;
  return transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
};
export const broadcast = (x: Tensor, shape: Shape): Tensor =>
  same(x.shape, shape) ? x : make('broadcast', { shape }, [x]);
/** `x[..., start:end:step, ...]` on one axis. */
export const slice = (x: Tensor, axis: number, start: number, end: number, step = 1): Tensor =>
  start === 0 && end === x.shape[axis] && step === 1
    ? x
    : make(
        'slice',
        {
          starts: x.shape.map((_, i) => (i === axis ? start : 0)),
          ends: x.shape.map((side, i) => (i === axis ? end : side)),
          steps: x.shape.map((_, i) => (i === axis ? step : 1)),
        },
        [x],
      );
export const pad = (x: Tensor, before: readonly number[], afterwards: readonly number[]): Tensor =>
  [...before, ...afterwards].every((side) => side === 0)
    ? x
    : make('pad', { before, after: afterwards }, [x]);
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first, ...more] = parts;
  if (!first) throw new GraphError('GRAPH_SHAPE', 'concat takes at least one tensor');
  return more.length === 0 ? first : make('concat', { axis }, [first, ...more]);
}
export const gatherRows = (table: Tensor, ids: Tensor): Tensor => make('gatherRows', {}, [table, ids]);
export const scatterAddRows = (updates: Tensor, ids: Tensor, rows: number): Tensor =>
  make('scatterAddRows', { rows }, [updates, ids]);

export const sumPool2x = (x: Tensor): Tensor => make('sumPool2x', {}, [x]);

/** Nearest-neighbour upsampling of [B,C,h,w] to any height and width, as torch's interpolate(mode='nearest'). */
export function upsampleNearest(x: Tensor, height: number, width: number): Tensor {
  const [, , h, w] = sidesOf(x, 4);
  if (height === 2 * h && width === 2 * w) return make('upsample2x', {}, [x]);
  // Rows and columns are copied by products with selection matrices, which have gradients.
  const choose = (from: number, to: number): Tensor => {
    const matrix = new Float32Array(to * from);
    for (let i = 0; i < to; i++) matrix[i * from + Math.floor((i * from) / to)] = 1;
    return constant(matrix, [to, from]);
  };
  return matmul(matmul(choose(h, height), x), swap(choose(w, width)));
}

// Reductions

export const sum = (x: Tensor, axes: readonly number[] = [...x.shape.keys()]): Tensor =>
  axes.length === 0 ? x : make('reduceSum', { axes }, [x]);
export const mean = (x: Tensor, axes: readonly number[] = [...x.shape.keys()]): Tensor =>
  axes.length === 0 ? x : make('reduceMean', { axes }, [x]);

/** The sum that undoes a broadcast of `shape` to x's shape. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (same(x.shape, shape)) return x;
  const extra = x.shape.length - shape.length;
  const axes = [...x.shape.keys()].filter(
    (axis) => axis < extra || (shape[axis - extra] === 1 && x.shape[axis] !== 1),
  );
  return reshape(sum(x, axes), shape);
}

// Products

export const matmul = (a: Tensor, b: Tensor): Tensor => make('matmul', {}, [a, b]);
/** A product times `alpha`, which costs nothing where programs save launches (Dialect.fewLaunches); elsewhere an operator. */
export const scaledMatmul = (a: Tensor, b: Tensor, alpha = 1): Tensor =>
  make('matmul', alpha === 1 ? {} : { alpha }, [a, b]);

/** x [...,in] · weightᵀ [in,out] + bias. One flat product for any leading axes, because its gradient needs one. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [outputs, inputs] = sidesOf(weight, 2);
  const flat = reshape(x, [sizeOf(x.shape) / inputs, inputs]);
  const y = matmul(flat, swap(weight));
  return reshape(bias ? add(y, bias) : y, [...x.shape.slice(0, -1), outputs]);
}

const allSides = (padding: number | Pads): Pads =>
  typeof padding === 'number' ? [padding, padding, padding, padding] : padding;

/** Convolution of [B,C,H,W] with weight [K,C,kh,kw] and bias [K]; `padding` on every side, or one number per side. */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  stride = 1,
  padding: number | Pads = 0,
): Tensor {
  return make('conv2d', { stride, pads: allSides(padding) }, bias ? [x, weight, bias] : [x, weight]);
}

/** Depthwise convolution: each channel of [B,C,H,W] has a separate window; weight [C,1,kh,kw], bias [C]. */
export function depthwiseConv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  stride = 1,
  padding: number | Pads = 0,
): Tensor {
  return make('depthwiseConv2d', { stride, pads: allSides(padding) }, bias ? [x, weight, bias] : [x, weight]);
}

export const conv2dInputGrad = (
  dy: Tensor,
  weight: Tensor,
  stride: number,
  pads: Pads,
  size: readonly [number, number],
): Tensor => make('conv2dInputGrad', { stride, pads, size }, [dy, weight]);
export const conv2dWeightGrad = (
  x: Tensor,
  dy: Tensor,
  stride: number,
  pads: Pads,
  kernel: readonly [number, number],
): Tensor => make('conv2dWeightGrad', { stride, pads, kernel }, [x, dy]);

// Normalisation and attention

export const softmax = (x: Tensor): Tensor => make('softmax', {}, [x]);
export const layerNorm = (x: Tensor, scale: Tensor, bias: Tensor, eps: number): Tensor =>
  make('layerNorm', { eps }, [x, scale, bias]);
export const groupNorm = (x: Tensor, scale: Tensor, bias: Tensor, groups: number, eps: number): Tensor =>
  make('groupNorm', { groups, eps }, [x, scale, bias]);
/** As one operation, which holds a gradient's many steps together: onnx-rules.ts writes it in few operators. */
export const geluGrad = (x: Tensor, dy: Tensor): Tensor => make('geluGrad', {}, [x, dy]);
export const softmaxGrad = (y: Tensor, dy: Tensor): Tensor => make('softmaxGrad', {}, [y, dy]);
export const layerNormGrad = (x: Tensor, dy: Tensor, eps: number): Tensor =>
  make('layerNormGrad', { eps }, [x, dy]);
export const attention = (q: Tensor, k: Tensor, v: Tensor, heads: number, scale: number): Tensor =>
  make('attention', { heads, scale }, [q, k, v]);

/** [B,S,H·D] → [B,H,S,D]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = sidesOf(x, 3);
  return transpose(reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** [B,H,S,D] → [B,S,H·D]. */
export function joinHeads(x: Tensor): Tensor {
  const [batch, heads, length, width] = sidesOf(x, 4);
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, length, heads * width]);
}
