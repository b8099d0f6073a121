/** @file The shape and dtype of each primitive's result, and its inputs: one rule per primitive. */
import { isAbsolute } from 'node:path';
import { GraphError } from './errors.ts';
import type { DType, Inputs, Pads, Params, Primitive, Shape } from './primitives.ts';
import { sameShape, showShape as show, sideOf, sidesOf, sizeOf } from './shapes.ts';
import type { Tensor } from './tensor.ts';

/** Bytes of one value. */
export const BYTES: Readonly<Record<DType, number>> = { float32: 4, float16: 2, bfloat16: 2, int64: 8 };

interface Result {
  readonly shape: Shape;
  readonly dtype: DType;
}
type ShapeRule<P extends Primitive> = (params: Params<P>, inputs: Inputs<P>) => Result;

function need(condition: boolean, message: string): asserts condition {
  if (!condition) throw new GraphError('GRAPH_SHAPE', message);
}

/** NumPy's broadcasting of two shapes. */
function broadcastShapes(a: Shape, b: Shape, name = 'broadcast'): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    need(x === y || x === 1 || y === 1, `${name}: shapes ${show(a)} and ${show(b)} do not broadcast`);
    return x === 1 ? y : x;
  });
}

const unary =
  (name: string) =>
  (_: unknown, [{ shape, dtype }]: readonly [Tensor]): Result => {
    need(dtype !== 'int64' || name === 'stopGradient', `${name} takes floats, got int64 ${show(shape)}`);
    return { shape, dtype };
  };

const binary =
  (name: string) =>
  (_: unknown, [a, b]: readonly [Tensor, Tensor]): Result => {
    if (a.dtype !== b.dtype)
      throw new GraphError('GRAPH_DTYPE', `${name} of ${a.dtype} and ${b.dtype}: cast one`);
    return { shape: broadcastShapes(a.shape, b.shape, name), dtype: a.dtype };
  };

/** Of two tensors that nothing broadcasts. */
const sameShapes =
  (name: string) =>
  (params: unknown, inputs: readonly [Tensor, Tensor]): Result => {
    const [a, b] = inputs;
    need(sameShape(a.shape, b.shape), `${name} of ${show(a.shape)} and ${show(b.shape)}`);
    return binary(name)(params, inputs);
  };

const reduction =
  (name: string) =>
  ({ axes }: { axes: readonly number[] }, [{ shape, dtype }]: readonly [Tensor]): Result => {
    need(
      axes.every((axis) => axis >= 0 && axis < shape.length),
      `${name}: axes ${show(axes)} of a tensor ${show(shape)}`,
    );
    return { shape: shape.map((side, axis) => (axes.includes(axis) ? 1 : side)), dtype };
  };

const convolved = (side: number, kernel: number, stride: number, before: number, after: number): number =>
  Math.floor((side + before + after - kernel) / stride) + 1;

function imageSize(x: Tensor, name: string) {
  need(x.shape.length === 4, `${name} takes [batch, channels, height, width], got ${show(x.shape)}`);
  return sidesOf(x, 4);
}

/** Height and width after a convolution. */
function convSize(
  height: number,
  width: number,
  kernel: readonly [number, number],
  stride: number,
  pads: Pads,
) {
  const [top, left, bottom, right] = pads;
  return [
    convolved(height, kernel[0], stride, top, bottom),
    convolved(width, kernel[1], stride, left, right),
  ] as const;
}

export const shapeRules: { readonly [P in Primitive]: ShapeRule<P> } = {
  input: ({ name, shape, dtype }) => {
    if (dtype === 'bfloat16')
      throw new GraphError('GRAPH_DTYPE', `input ${name}: the runtime takes bfloat16 for weights only`);
    return { shape, dtype };
  },
  weight: ({ name, shape, dtype, source }) => {
    need(isAbsolute(source.path), `${name}: the path of its file must be absolute, got ${source.path}`);
    const bytes = sizeOf(shape) * BYTES[dtype];
    need(
      bytes === source.length,
      `${name}: ${show(shape)} ${dtype} takes ${bytes} bytes, the file has ${source.length}`,
    );
    return { shape, dtype };
  },
  constant: ({ shape, data }) => {
    need(sizeOf(shape) === data.length, `constant ${show(shape)} has ${data.length} values`);
    return { shape, dtype: data instanceof Float32Array ? 'float32' : 'int64' };
  },

  neg: unary('neg'),
  exp: unary('exp'),
  log: unary('log'),
  sqrt: unary('sqrt'),
  abs: unary('abs'),
  sign: unary('sign'),
  erf: unary('erf'),
  sin: unary('sin'),
  cos: unary('cos'),
  tanh: unary('tanh'),
  sigmoid: unary('sigmoid'),
  silu: unary('silu'),
  gelu: unary('gelu'),
  quickGelu: unary('quickGelu'),
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div'),
  min: binary('min'),
  max: binary('max'),
  less: binary('less'),
  cast: ({ to }, [x]) => ({ shape: x.shape, dtype: to }),
  stopGradient: unary('stopGradient'),
  after: (_, inputs) => {
    need(inputs.length >= 2, 'after takes a tensor and at least one that must come before');
    return { shape: inputs[0].shape, dtype: inputs[0].dtype };
  },

  reshape: ({ shape }, [x]) => {
    need(
      sizeOf(x.shape) === sizeOf(shape),
      `reshape ${show(x.shape)} to ${show(shape)} changes the number of values`,
    );
    return { shape, dtype: x.dtype };
  },
  transpose: ({ perm }, [x]) => {
    const { shape, dtype } = x;
    const whole =
      [...perm].sort((a, b) => a - b).every((axis, i) => axis === i) && perm.length === shape.length;
    need(whole, `transpose of ${show(shape)} by ${show(perm)}`);
    return { shape: perm.map((axis) => sideOf(x, axis)), dtype };
  },
  broadcast: ({ shape }, [from]) => {
    const to = broadcastShapes(from.shape, shape);
    need(sameShape(to, shape), `broadcast ${show(from.shape)} to ${show(shape)}`);
    return { shape, dtype: from.dtype };
  },
  slice: ({ starts, ends, steps }, [{ shape, dtype }]) => {
    need(
      [starts, ends, steps].every(({ length }) => length === shape.length),
      `slice ${show(starts)} to ${show(ends)} of ${show(shape)}`,
    );
    const sides = shape.map((side, axis) => {
      const [start = 0, end = side, step = 1] = [starts[axis], ends[axis], steps[axis]];
      const fits = start >= 0 && end >= start && end <= side && step >= 1;
      need(fits, `slice ${show(starts)} to ${show(ends)} of ${show(shape)}`);
      return Math.ceil((end - start) / step);
    });
    return { shape: sides, dtype };
  },
  pad: ({ before, after }, [{ shape, dtype }]) => {
    need(
      before.length === shape.length && after.length === shape.length,
      `pad of ${show(shape)} by ${show(before)}`,
    );
    return { shape: shape.map((side, i) => side + (before[i] ?? 0) + (after[i] ?? 0)), dtype };
  },
  concat: ({ axis }, inputs) => {
    const { shape, dtype } = inputs[0];
    for (const other of inputs) {
      const alike =
        other.shape.length === shape.length &&
        other.shape.every((side, i) => i === axis || side === shape[i]);
      need(
        alike && other.dtype === dtype,
        `concat on axis ${axis} of ${inputs.map((t) => show(t.shape)).join(' ')}`,
      );
    }
    const length = inputs.reduce((sum, tensor) => sum + sideOf(tensor, axis), 0);
    return { shape: shape.map((side, i) => (i === axis ? length : side)), dtype };
  },
  upsample2x: (_, [x]) => {
    const [batch, channels, height, width] = imageSize(x, 'upsample2x');
    return { shape: [batch, channels, height * 2, width * 2], dtype: x.dtype };
  },
  sumPool2x: (_, [x]) => {
    const [batch, channels, height, width] = imageSize(x, 'sumPool2x');
    need(height % 2 === 0 && width % 2 === 0, `sumPool2x takes even sides, got ${height}×${width}`);
    return { shape: [batch, channels, height / 2, width / 2], dtype: x.dtype };
  },
  gatherRows: (_, [table, ids]) => {
    need(table.shape.length === 2 && ids.dtype === 'int64', `gatherRows takes [V,D] and int64 ids`);
    return { shape: [...ids.shape, sideOf(table, 1)], dtype: table.dtype };
  },
  scatterAddRows: ({ rows }, [updates, ids]) => {
    const fits = updates.shape.length === 2 && ids.shape.length === 1 && ids.shape[0] === updates.shape[0];
    need(
      fits && ids.dtype === 'int64',
      `scatterAddRows takes [N,D] and ids [N], got ${show(updates.shape)}, ${show(ids.shape)}`,
    );
    return { shape: [rows, sideOf(updates, 1)], dtype: updates.dtype };
  },

  reduceSum: reduction('reduceSum'),
  reduceMean: reduction('reduceMean'),

  matmul: (_, [a, b]) => {
    need(a.shape.length >= 2 && b.shape.length >= 2, `matmul of ${show(a.shape)} and ${show(b.shape)}`);
    need(
      a.shape.at(-1) === b.shape.at(-2),
      `matmul of ${show(a.shape)} and ${show(b.shape)}: inner sides differ`,
    );
    if (a.dtype !== b.dtype)
      throw new GraphError('GRAPH_DTYPE', `matmul of ${a.dtype} and ${b.dtype}: cast one`);
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'matmul');
    return { shape: [...batch, sideOf(a, -2), sideOf(b, -1)], dtype: a.dtype };
  },
  conv2d: ({ stride, pads }, inputs) => {
    need(inputs.length === 2 || inputs.length === 3, `conv2d takes x, weight and perhaps a bias`);
    const [x, w, bias] = inputs;
    const [batch, channels, height, width] = imageSize(x, 'conv2d');
    const [filters, fan, kh, kw] = imageSize(w, 'conv2d weight');
    need(channels === fan, `conv2d of ${show(x.shape)} with weight ${show(w.shape)}: channels differ`);
    need(
      !bias || sameShape(bias.shape, [filters]),
      `conv2d of ${filters} filters with bias ${show(bias?.shape ?? [])}`,
    );
    return { shape: [batch, filters, ...convSize(height, width, [kh, kw], stride, pads)], dtype: x.dtype };
  },
  depthwiseConv2d: ({ stride, pads }, inputs) => {
    need(inputs.length === 2 || inputs.length === 3, 'depthwiseConv2d takes x, weight and perhaps a bias');
    const [x, w, bias] = inputs;
    const [batch, channels, height, width] = imageSize(x, 'depthwiseConv2d');
    const [windows, fan, kh, kw] = imageSize(w, 'depthwiseConv2d weight');
    need(
      channels === windows && fan === 1,
      `depthwiseConv2d of ${show(x.shape)} with weight ${show(w.shape)}: takes [channels,1,height,width]`,
    );
    need(
      !bias || sameShape(bias.shape, [channels]),
      `depthwiseConv2d of ${channels} channels with bias ${show(bias?.shape ?? [])}`,
    );
    return { shape: [batch, channels, ...convSize(height, width, [kh, kw], stride, pads)], dtype: x.dtype };
  },
  conv2dInputGrad: ({ stride, pads, size }, [dy, w]) => {
    const [batch, filters, height, width] = imageSize(dy, 'conv2dInputGrad');
    const [outputs, channels, kh, kw] = imageSize(w, 'conv2dInputGrad weight');
    const expected = convSize(size[0], size[1], [kh, kw], stride, pads);
    need(
      filters === outputs && expected[0] === height && expected[1] === width,
      `conv2dInputGrad of ${show(dy.shape)} with weight ${show(w.shape)} to ${show(size)}`,
    );
    return { shape: [batch, channels, ...size], dtype: dy.dtype };
  },
  conv2dWeightGrad: ({ stride, pads, kernel }, [x, dy]) => {
    const [batch, channels, height, width] = imageSize(x, 'conv2dWeightGrad');
    const [dyBatch, filters, outHeight, outWidth] = imageSize(dy, 'conv2dWeightGrad');
    const expected = convSize(height, width, kernel, stride, pads);
    need(
      batch === dyBatch && expected[0] === outHeight && expected[1] === outWidth,
      `conv2dWeightGrad of ${show(x.shape)} and ${show(dy.shape)}`,
    );
    return { shape: [filters, channels, ...kernel], dtype: x.dtype };
  },

  softmax: unary('softmax'),
  layerNorm: (_, [x, scale, bias]) => {
    const width = sideOf(x, -1);
    const fits = sameShape(scale.shape, [width]) && sameShape(bias.shape, [width]);
    need(fits, `layerNorm of ${show(x.shape)} with scale ${show(scale.shape)}, bias ${show(bias.shape)}`);
    return { shape: x.shape, dtype: x.dtype };
  },
  geluGrad: sameShapes('geluGrad'),
  softmaxGrad: sameShapes('softmaxGrad'),
  layerNormGrad: sameShapes('layerNormGrad'),
  groupNorm: ({ groups }, [x, scale, bias]) => {
    const channels = x.shape[1] ?? 0;
    const fits = sameShape(scale.shape, [channels]) && sameShape(bias.shape, [channels]);
    need(
      fits && channels % groups === 0,
      `groupNorm in ${groups} groups of ${show(x.shape)} with scale ${show(scale.shape)}`,
    );
    return { shape: x.shape, dtype: x.dtype };
  },
  attention: ({ heads }, [q, k, v]) => {
    const [batch, , width = 0] = q.shape;
    const fits =
      [q, k, v].every((t) => t.shape.length === 3 && t.shape[0] === batch && t.shape[2] === width) &&
      k.shape[1] === v.shape[1] &&
      width % heads === 0;
    need(fits, `attention in ${heads} heads of ${show(q.shape)}, ${show(k.shape)}, ${show(v.shape)}`);
    return { shape: q.shape, dtype: q.dtype };
  },
};
