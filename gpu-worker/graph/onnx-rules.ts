/**
 * @file How each primitive is written in ONNX (opset 21 and com.microsoft). Each rule emits nodes and returns the
 * name of its result. Operators are chosen for having fp32 and fp16 kernels on CPU and CUDA.
 */
import type { Dialect } from './dialect.ts';
import { readsTransposed, untransposed } from './fused-nodes.ts';
import { ELEMENT, type Attribute } from './onnx-model.ts';
import type { DType, Leaf, Primitive, Shape } from './primitives.ts';
import { sideOf, sidesOf, sizeOf } from './shapes.ts';
import type { Tensor } from './tensor.ts';
import { emitGeluGrad, emitLayerNormGrad, emitSoftmaxGrad } from './onnx-gradients.ts';
import { emitSine } from './written-out-sine.ts';

/** The emitter that rules use. */
export interface Emitter {
  readonly dialect: Dialect;
  /** The ONNX name of a tensor emitted earlier. */
  name(tensor: Tensor): string;
  node(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
    domain?: string,
  ): string;
  /** Results of an operator with several. */
  nodes(
    type: string,
    inputs: readonly string[],
    results: number,
    attributes?: Readonly<Record<string, Attribute>>,
  ): string[];
  /** A result that is made at its first use. */
  once(key: string, make: () => string): string;
  /** A shared int64 constant with one axis. */
  ints(values: readonly number[]): string;
  /** A float constant of the dtype. */
  floats(values: readonly number[], shape: Shape, dtype: DType): string;
}

type Operator = Exclude<Primitive, Leaf>;
type OnnxRule<P extends Operator> = (emit: Emitter, y: Tensor<P>) => string;
const MICROSOFT = 'com.microsoft';

const plain =
  (type: string): OnnxRule<Operator> =>
  (emit, y) =>
    emit.node(type, names(emit, y));

const names = (emit: Emitter, { inputs }: Tensor): string[] => inputs.map((x: Tensor) => emit.name(x));

/** Values, 4 MiB in float32. */
const LARGE_WEIGHT = 2 ** 20;

/**
 * Ratio of a filter bank's values to the values of the pictures on both sides, above which swapping its axes costs too
 * much.
 */
const LARGE_FILTERS = 32;

/** x, from something that is empty or zero once all earlier tensors exist: the runtime can't fold it, nor start before. */
function emitAfter(emit: Emitter, x: Tensor, earlier: readonly Tensor[]): string {
  return emit.dialect.order === 'host' ? afterByShape(emit, x, earlier) : afterBySum(emit, x, earlier);
}

/** x reshaped to its own shape, to which empty slices of the earlier tensors are appended (their Shape would be folded away). */
function afterByShape(emit: Emitter, x: Tensor, earlier: readonly Tensor[]): string {
  const nothing = earlier.map((t) =>
    emit.once(`no sides after ${t.id}`, () => emit.node('Cast', [emptyOf(emit, t)], { to: ELEMENT.int64 })),
  );
  return emit.node('Reshape', [
    emit.name(x),
    emit.node('Concat', [emit.ints(x.shape), ...nothing], { axis: 0 }),
  ]);
}

/** x + 0. The zero is shared by all that wait for the same. */
function afterBySum(emit: Emitter, x: Tensor, earlier: readonly Tensor[]): string {
  const sum = emit.node('Add', [emit.name(x), zeroAfter(emit, [...new Set(earlier)], x.dtype)]);
  return x.shape.length === 0 ? emit.node('Reshape', [sum, emit.ints([])]) : sum;
}

/** [0], once all of these exist. */
function zeroAfter(emit: Emitter, earlier: readonly Tensor[], dtype: DType): string {
  const key = earlier.map(({ id }) => id).sort((a, b) => a - b);
  return emit.once(`zero ${dtype} after ${key.join()}`, () => {
    if (dtype !== 'float32')
      return emit.node('Cast', [zeroAfter(emit, earlier, 'float32')], { to: ELEMENT[dtype] });
    const empty = [...new Set(earlier.map((t) => t.dtype))].map((type) => {
      const same = earlier.filter((t) => t.dtype === type).map((t) => emptyOf(emit, t));
      const joined = joinedEmpty(emit, same);
      return type === 'float32' ? joined : emit.node('Cast', [joined], { to: ELEMENT.float32 });
    });
    return emit.node('Concat', [emit.floats([0], [1], 'float32'), ...empty], { axis: 0 });
  });
}

const joinedEmpty = (emit: Emitter, [first = '', ...more]: readonly string[]): string =>
  more.length === 0 ? first : emit.node('Concat', [first, ...more], { axis: 0 });

/** No elements of a tensor. */
const emptyOf = (emit: Emitter, t: Tensor): string =>
  emit.once(`empty ${t.id}`, () => {
    const flat = t.shape.length === 1 ? emit.name(t) : emit.node('Reshape', [emit.name(t), emit.ints([-1])]);
    return emit.node('Slice', [flat, emit.ints([0]), emit.ints([0]), emit.ints([0])]);
  });

const convolution = ({ inputs, params }: Tensor<'conv2d' | 'depthwiseConv2d'>) => ({
  kernel_shape: inputs[1].shape.slice(2),
  strides: [params.stride, params.stride],
  pads: params.pads,
});

const reduction =
  (type: string): OnnxRule<'reduceSum' | 'reduceMean'> =>
  (emit, y) =>
    emit.node(type, [emit.name(y.inputs[0]), emit.ints(y.params.axes)], { keepdims: 1 });

const onnxRules: { readonly [P in Exclude<Primitive, Leaf>]: OnnxRule<P> } = {
  neg: plain('Neg'),
  exp: plain('Exp'),
  log: plain('Log'),
  sqrt: plain('Sqrt'),
  abs: plain('Abs'),
  sign: plain('Sign'),
  erf: plain('Erf'),
  sin: (emit, y) =>
    emit.dialect.exactSine ? plain('Sin')(emit, y) : emitSine(emit, emit.name(y.inputs[0]), 'sin'),
  cos: (emit, y) =>
    emit.dialect.exactSine ? plain('Cos')(emit, y) : emitSine(emit, emit.name(y.inputs[0]), 'cos'),
  tanh: plain('Tanh'),
  sigmoid: plain('Sigmoid'),
  silu: (emit, y) => emit.node('QuickGelu', [emit.name(y.inputs[0])], { alpha: { float: 1 } }, MICROSOFT),
  gelu: plain('Gelu'),
  quickGelu: (emit, y) =>
    emit.node('QuickGelu', [emit.name(y.inputs[0])], { alpha: { float: 1.702 } }, MICROSOFT),
  add: plain('Add'),
  sub: plain('Sub'),
  mul: plain('Mul'),
  div: plain('Div'),
  min: plain('Min'),
  max: plain('Max'),
  less: (emit, y) => emit.node('Cast', [plain('Less')(emit, y)], { to: ELEMENT[y.dtype] }),
  cast: (emit, y) => emit.node('Cast', [emit.name(y.inputs[0])], { to: ELEMENT[y.params.to] }),
  stopGradient: plain('Identity'),
  after: (emit, y) => emitAfter(emit, y.inputs[0], y.inputs.slice(1)),

  reshape: (emit, y) => emit.node('Reshape', [emit.name(y.inputs[0]), emit.ints(y.shape)]),
  transpose: (emit, y) => emit.node('Transpose', [emit.name(y.inputs[0])], { perm: y.params.perm }),
  broadcast: (emit, y) => emit.node('Expand', [emit.name(y.inputs[0]), emit.ints(y.shape)]),
  slice: (emit, y) => {
    const { starts, ends, steps } = y.params;
    const from = y.inputs[0].shape;
    const axes = [...from.keys()].filter((i) => starts[i] !== 0 || ends[i] !== from[i] || steps[i] !== 1);
    const chosen = (list: readonly number[]): string => emit.ints(axes.flatMap((axis) => list[axis] ?? []));
    return emit.node('Slice', [
      emit.name(y.inputs[0]),
      chosen(starts),
      chosen(ends),
      emit.ints(axes),
      chosen(steps),
    ]);
  },
  pad: (emit, y) =>
    emit.node('Pad', [emit.name(y.inputs[0]), emit.ints([...y.params.before, ...y.params.after])]),
  concat: (emit, y) => emit.node('Concat', names(emit, y), { axis: y.params.axis }),
  upsample2x: (emit, y) =>
    emit.node('Resize', [emit.name(y.inputs[0]), '', emit.floats([1, 1, 2, 2], [4], 'float32')], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    }),
  sumPool2x: (emit, y) => {
    const mean = emit.node('AveragePool', [emit.name(y.inputs[0])], {
      kernel_shape: [2, 2],
      strides: [2, 2],
    });
    return emit.node('Mul', [mean, emit.floats([4], [], y.dtype)]);
  },
  gatherRows: (emit, y) => emit.node('Gather', [emit.name(y.inputs[0]), emit.name(y.inputs[1])], { axis: 0 }),
  scatterAddRows: (emit, y) => {
    const [updates, ids] = y.inputs;
    const zeros = emit.node('Expand', [emit.floats([0], [1, 1], y.dtype), emit.ints(y.shape)]);
    const column = emit.node('Reshape', [emit.name(ids), emit.ints([sideOf(ids, 0), 1])]);
    const indices = emit.node('Expand', [column, emit.ints(updates.shape)]);
    // Not ScatterND: its threads lose each other's sums if an id occurs twice (onnxruntime 1.30, CPU).
    return emit.node('ScatterElements', [zeros, indices, emit.name(updates)], { axis: 0, reduction: 'add' });
  },

  reduceSum: reduction('ReduceSum'),
  reduceMean: reduction('ReduceMean'),

  matmul: (emit, y) => {
    const [a, b] = y.inputs;
    const [left, right] = [untransposed(a), untransposed(b)];
    const { alpha = 1 } = y.params;
    const inPlace = readsTransposed(y, emit.dialect);
    if (alpha === 1 && (!inPlace || (!left && !right))) return plain('MatMul')(emit, y);
    if (!inPlace) return emit.node('Mul', [plain('MatMul')(emit, y), emit.floats([alpha], [], y.dtype)]);
    const operands = [emit.name(left ?? a), emit.name(right ?? b)];
    const scale = alpha === 1 ? {} : { alpha: { float: alpha } };
    const transposed = { transA: left ? 1 : 0, transB: right ? 1 : 0, ...scale };
    return a.shape.length === 2 && b.shape.length === 2
      ? emit.node('Gemm', operands, transposed)
      : emit.node('FusedMatMul', operands, transposed, MICROSOFT);
  },
  conv2d: (emit, y) => emit.node('Conv', names(emit, y), convolution(y)),
  depthwiseConv2d: (emit, y) => emit.node('Conv', names(emit, y), { group: sideOf(y, 1), ...convolution(y) }),
  // Stride 1: a convolution with the weight's filters and channels swapped and its window rotated by 180°, which is
  // faster than ConvTranspose, much so for frozen weights. Other strides would need zeros between dy's values, and
  // padding wider than the window negative padding, which Conv doesn't support.
  conv2dInputGrad: (emit, y) => {
    const [dy, w] = y.inputs;
    const { stride, pads } = y.params;
    const [, , kh, kw] = sidesOf(w, 4);
    const [, , rows, columns] = sidesOf(dy, 4);
    const [top, left, bottom, right] = pads;
    // The runtime would rotate a frozen weight once and keep both copies; for a large one that is too much memory.
    const large = w.primitive === 'weight' && sizeOf(w.shape) > LARGE_WEIGHT;
    const everyRun = large || w.primitive !== 'weight';
    const share = everyRun ? sizeOf(w.shape) / (sizeOf(dy.shape) + sizeOf(y.shape)) : 0;
    if (stride === 1 && share <= LARGE_FILTERS && Math.max(top, bottom) < kh && Math.max(left, right) < kw) {
      const turn = (x: string): string => {
        const [from, to] = [emit.ints([-1, -1]), emit.ints([-(2 ** 31), -(2 ** 31)])];
        return kh * kw === 1 ? x : emit.node('Slice', [x, from, to, emit.ints([2, 3]), emit.ints([-1, -1])]);
      };
      const weight = large ? emitAfter(emit, w, [dy]) : emit.name(w);
      const exchanged = emit.node('Transpose', [weight], { perm: [1, 0, 2, 3] });
      // If the window has more values, the pictures on both sides are rotated instead, with their margins.
      const turnsPictures = share > 1;
      const [picture, window] = turnsPictures
        ? [turn(emit.name(dy)), exchanged]
        : [emit.name(dy), turn(exchanged)];
      const [t, l, b, r] = turnsPictures ? [bottom, right, top, left] : [top, left, bottom, right];
      const product = emit.node('Conv', [picture, window], {
        kernel_shape: [kh, kw],
        strides: [1, 1],
        pads: [kh - 1 - t, kw - 1 - l, kh - 1 - b, kw - 1 - r],
      });
      return turnsPictures ? turn(product) : product;
    }
    return emit.node('ConvTranspose', [emit.name(dy), emit.name(w)], {
      kernel_shape: [kh, kw],
      strides: [stride, stride],
      pads,
      output_padding: [
        sideOf(y, 2) - ((rows - 1) * stride + kh - top - bottom),
        sideOf(y, 3) - ((columns - 1) * stride + kw - left - right),
      ],
    });
  },
  // One product a window position: dy [K, B·H'·W'] by the shifted x [B·H'·W', C]. No im2col buffer, 60 to 80% of peak;
  // the convolution with exchanged axes reaches half of that.
  conv2dWeightGrad: (emit, y) => {
    const [x, dy] = y.inputs;
    const { stride, pads } = y.params;
    const [filters, channels, kh, kw] = sidesOf(y, 4);
    const [batch, , rows, columns] = sidesOf(dy, 4);
    const positions = batch * rows * columns;
    const gradient = emit.node('Reshape', [
      emit.node('Transpose', [emit.name(dy)], { perm: [1, 0, 2, 3] }),
      emit.ints([filters, positions]),
    ]);
    const last = emit.node('Transpose', [emit.name(x)], { perm: [0, 2, 3, 1] });
    const [top, left, bottom, right] = pads;
    const padded = pads.some((side) => side !== 0)
      ? emit.node('Pad', [last, emit.ints([0, top, left, 0, 0, bottom, right, 0])])
      : last;
    const products: string[] = [];
    for (let i = 0; i < kh; i++) {
      for (let j = 0; j < kw; j++) {
        const ends = [i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1];
        const window = emit.node('Slice', [
          padded,
          emit.ints([i, j]),
          emit.ints(ends),
          emit.ints([1, 2]),
          emit.ints([stride, stride]),
        ]);
        const flat = emit.node('Reshape', [window, emit.ints([positions, channels])]);
        products.push(emit.node('MatMul', [gradient, flat]));
      }
    }
    if (products.length === 1) return emit.node('Reshape', [...products, emit.ints(y.shape)]);
    const columnsOf = products.map((product) =>
      emit.node('Reshape', [product, emit.ints([filters, channels, 1])]),
    );
    return emit.node('Reshape', [emit.node('Concat', columnsOf, { axis: 2 }), emit.ints(y.shape)]);
  },

  softmax: (emit, y) => emit.node('Softmax', [emit.name(y.inputs[0])], { axis: y.shape.length - 1 }),
  layerNorm: (emit, y) =>
    emit.node('LayerNormalization', names(emit, y), {
      axis: y.shape.length - 1,
      epsilon: { float: y.params.eps },
    }),
  geluGrad: emitGeluGrad,
  softmaxGrad: emitSoftmaxGrad,
  layerNormGrad: emitLayerNormGrad,
  // InstanceNormalization over [batch, groups, rest]: GroupNormalization has no separate kernel.
  groupNorm: (emit, y) => {
    const [x, scale, bias] = y.inputs;
    const { groups, eps } = y.params;
    const ones = emit.floats(Array<number>(groups).fill(1), [groups], y.dtype);
    const zeros = emit.floats(Array<number>(groups).fill(0), [groups], y.dtype);
    const grouped = emit.node('Reshape', [emit.name(x), emit.ints([sideOf(y, 0), groups, -1])]);
    const normal = emit.node('InstanceNormalization', [grouped, ones, zeros], { epsilon: { float: eps } });
    const perChannel = emit.ints([sideOf(y, 1), ...y.shape.slice(2).map(() => 1)]);
    const restored = emit.node('Reshape', [normal, emit.ints(y.shape)]);
    const scaled = emit.node('Mul', [restored, emit.node('Reshape', [emit.name(scale), perChannel])]);
    return emit.node('Add', [scaled, emit.node('Reshape', [emit.name(bias), perChannel])]);
  },
  // The fused operator needs no S×T buffer (and is flash attention on CUDA in fp16).
  attention: (emit, y) =>
    emit.node(
      'MultiHeadAttention',
      names(emit, y),
      { num_heads: y.params.heads, scale: { float: y.params.scale } },
      MICROSOFT,
    ),
};

/** Emits the operators of one tensor and returns the name of its result. */
export const emitNode = <P extends Operator>(emit: Emitter, node: Tensor<P>): string =>
  onnxRules[node.primitive](emit, node);
