/**
 * @file What every primitive computes, in double precision and in plain loops: the yardstick of the graph compiler.
 * Independent of the ONNX and gradient rules, and of the shape rules, whose answers it checks. Not made to be fast.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { DType, Pads, Primitive, Params, Shape } from '../../gpu-worker/graph/primitives.ts';
import { reachable, sizeOf, type Node, type Tensor } from '../../gpu-worker/graph/tensor.ts';

/** Row-major values; int64 and half-precision ones too. */
export interface Values {
  readonly shape: Shape;
  readonly data: Float64Array;
}
export type ValueFeeds = Readonly<Record<string, Values>>;
type Reference<P extends Primitive> = (
  params: Params<P>,
  inputs: readonly Values[],
  feeds: ValueFeeds,
) => Values;
/** The first n inputs, which the graph's shape rules have counted. */
type One = readonly [Values];
type Two = readonly [Values, Values];
type Three = readonly [Values, Values, Values];

export const valuesOf = (shape: Shape, data: Iterable<number>): Values => ({
  shape,
  data: Float64Array.from(data),
});

/** Values from their indices. The index array is the same at each call: read it, do not keep it. */
function fill(shape: Shape, value: (index: readonly number[]) => number): Values {
  const data = new Float64Array(sizeOf(shape));
  const index = shape.map(() => 0);
  for (let position = 0; position < data.length; position++) {
    data[position] = value(index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return { shape, data };
}

/** One value; an index of more axes, or of an axis of length 1, broadcasts. */
function at(x: Values, index: readonly number[]): number {
  const skipped = index.length - x.shape.length;
  let position = 0;
  for (let axis = 0; axis < x.shape.length; axis++) {
    const side = x.shape[axis]!;
    position = position * side + (side === 1 ? 0 : index[skipped + axis]!);
  }
  return x.data[position]!;
}

const common = (a: Shape, b: Shape): Shape =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, i, last = Math.max(a.length, b.length) - i) =>
    Math.max(a.at(-last) ?? 1, b.at(-last) ?? 1),
  );

const map =
  (f: (x: number) => number) =>
  (_: unknown, [x]: readonly Values[]): Values => ({ shape: x!.shape, data: x!.data.map(f) });

const zip =
  (f: (a: number, b: number) => number) =>
  (_: unknown, inputs: readonly Values[]): Values => {
    const [a, b] = inputs as Two;
    return fill(common(a.shape, b.shape), (index) => f(at(a, index), at(b, index)));
  };

/** Replaces each run of `length` neighbouring values. */
function runs(x: Values, length: number, f: (run: Float64Array, number: number) => Float64Array): Values {
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += length)
    data.set(f(x.data.subarray(start, start + length), start / length), start);
  return { shape: x.shape, data };
}

const total = (list: Float64Array): number => list.reduce((sum, x) => sum + x, 0);
const average = (list: Float64Array): number => total(list) / list.length;

function normalized(run: Float64Array, eps: number): Float64Array {
  const mean = average(run);
  const variance = average(run.map((x) => (x - mean) ** 2));
  return run.map((x) => (x - mean) / Math.sqrt(variance + eps));
}

function softmaxOf(run: Float64Array): Float64Array {
  const highest = Math.max(...run);
  const powers = run.map((x) => Math.exp(x - highest));
  return powers.map((x) => x / total(powers));
}

/** erf by 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms all have one sign (DLMF 7.6.2). */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** The nearest number of `bits` significant bits, ties to even, subnormal below 2^lowest. */
function rounded(x: number, bits: number, lowest: number, largest: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), lowest);
  const unit = 2 ** (exponent - bits + 1);
  const whole = Math.floor(x / unit);
  const rest = x / unit - whole;
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 !== 0);
  const result = (whole + (up ? 1 : 0)) * unit;
  return Math.abs(result) > largest ? Math.sign(x) * Infinity : result;
}

const ROUND: Readonly<Record<DType, (x: number) => number>> = {
  // The reference stays in doubles, or finite differences would see steps.
  float32: (x) => x,
  float16: (x) => rounded(x, 11, -14, 65504),
  bfloat16: (x) => rounded(x, 8, -126, 2 ** 127 * (2 - 2 ** -7)),
  int64: Math.trunc,
};

const halfOf = (bits: number): number => {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
};

/** Little-endian bytes as numbers. */
export function decode(dtype: DType, bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const brain = new DataView(new ArrayBuffer(4));
  const read: Readonly<Record<DType, (i: number) => number>> = {
    float32: (i) => view.getFloat32(4 * i, true),
    float16: (i) => halfOf(view.getUint16(2 * i, true)),
    bfloat16: (i) => {
      brain.setUint16(0, view.getUint16(2 * i, true));
      return brain.getFloat32(0);
    },
    int64: (i) => Number(view.getBigInt64(8 * i, true)),
  };
  const size = { float32: 4, float16: 2, bfloat16: 2, int64: 8 }[dtype];
  return Float64Array.from({ length: bytes.length / size }, (_, i) => read[dtype](i));
}

function readRange(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, length, offset);
  } finally {
    closeSync(file);
  }
  return bytes;
}

interface Convolution {
  readonly x: Shape;
  readonly w: Shape;
  readonly stride: number;
  readonly pads: Pads;
}

/** Rows and columns of a convolution's result: as many whole steps as the padded image holds. */
const stepsOf = ({ x, w, stride, pads: [top, left, bottom, right] }: Convolution): [number, number] => [
  Math.floor((x[2]! + top + bottom - w[2]!) / stride) + 1,
  Math.floor((x[3]! + left + right - w[3]!) / stride) + 1,
];

/** Calls `visit` with the positions in x, w and y of every product that a convolution sums. */
function eachProduct(conv: Convolution, visit: (x: number, w: number, y: number) => void): void {
  const [batch, channels, height, width] = conv.x as [number, number, number, number];
  const [filters, , kh, kw] = conv.w as [number, number, number, number];
  const [rows, columns] = stepsOf(conv);
  let y = -1;
  for (let b = 0; b < batch; b++)
    for (let k = 0; k < filters; k++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          y++;
          for (let c = 0; c < channels; c++)
            for (let u = 0; u < kh; u++)
              for (let v = 0; v < kw; v++) {
                const row = i * conv.stride + u - conv.pads[0];
                const column = j * conv.stride + v - conv.pads[1];
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                const at = ((b * channels + c) * height + row) * width + column;
                visit(at, ((k * channels + c) * kh + u) * kw + v, y);
              }
        }
}

const reduce = (x: Values, axes: readonly number[]): Values => {
  const result = fill(
    x.shape.map((side, axis) => (axes.includes(axis) ? 1 : side)),
    () => 0,
  );
  const target = fill(x.shape, () => 0);
  // Positions of the result, broadcast to x: where each value goes.
  const positions = { shape: result.shape, data: result.data.map((_, i) => i) };
  fill(target.shape, (index) => (result.data[at(positions, index)]! += at(x, index)));
  return result;
};

const references: { readonly [P in Primitive]: Reference<P> } = {
  input: ({ name }, _, feeds) => feeds[name]!,
  weight: ({ shape, dtype, source }) => ({
    shape,
    data: decode(dtype, readRange(source.path, source.offset, source.length)),
  }),
  constant: ({ shape, data }) => valuesOf(shape, Array.from<number | bigint, number>(data, Number)),

  neg: map((x) => -x),
  exp: map(Math.exp),
  log: map(Math.log),
  sqrt: map(Math.sqrt),
  abs: map(Math.abs),
  sign: map(Math.sign),
  erf: map(erf),
  sin: map(Math.sin),
  cos: map(Math.cos),
  tanh: map(Math.tanh),
  sigmoid: map(sigmoid),
  silu: map((x) => x * sigmoid(x)),
  gelu: map((x) => (x / 2) * (1 + erf(x / Math.SQRT2))),
  quickGelu: map((x) => x * sigmoid(1.702 * x)),
  add: zip((a, b) => a + b),
  sub: zip((a, b) => a - b),
  mul: zip((a, b) => a * b),
  div: zip((a, b) => a / b),
  min: zip(Math.min),
  max: zip(Math.max),
  less: zip((a, b) => (a < b ? 1 : 0)),
  cast: ({ to }, [x]) => ({ shape: x!.shape, data: x!.data.map(ROUND[to]) }),
  stopGradient: (_, [x]) => x!,
  after: (_, [x]) => x!,

  reshape: ({ shape }, [x]) => ({ shape, data: x!.data }),
  transpose: ({ perm }, inputs) => {
    const [x] = inputs as One;
    const from = perm.map(() => 0);
    return fill(
      perm.map((axis) => x.shape[axis]!),
      (index) => {
        perm.forEach((axis, i) => (from[axis] = index[i]!));
        return at(x, from);
      },
    );
  },
  broadcast: ({ shape }, [x]) => fill(shape, (index) => at(x!, index)),
  slice: ({ starts, ends, steps }, inputs) => {
    const [x] = inputs as One;
    const picked = starts.map((start, axis) => {
      const list: number[] = [];
      for (let i = start; i < ends[axis]!; i += steps[axis]!) list.push(i);
      return list;
    });
    return fill(
      picked.map((list) => list.length),
      (index) =>
        at(
          x,
          index.map((i, axis) => picked[axis]![i]!),
        ),
    );
  },
  pad: ({ before, after }, inputs) => {
    const [x] = inputs as One;
    return fill(
      x.shape.map((side, axis) => before[axis]! + side + after[axis]!),
      (index) => {
        const from = index.map((i, axis) => i - before[axis]!);
        return from.every((i, axis) => i >= 0 && i < x.shape[axis]!) ? at(x, from) : 0;
      },
    );
  },
  concat: ({ axis }, inputs) => {
    const owners = inputs.flatMap((x) => Array.from({ length: x.shape[axis]! }, (_, i) => [x, i] as const));
    return fill(inputs[0]!.shape.with(axis, owners.length), (index) => {
      const [x, i] = owners[index[axis]!]!;
      return at(x, index.with(axis, i));
    });
  },
  upsample2x: (_, inputs) => {
    const [x] = inputs as One;
    const [b, c, h, w] = x.shape as [number, number, number, number];
    return fill([b, c, 2 * h, 2 * w], ([n, k, i, j]) => at(x, [n!, k!, i! >> 1, j! >> 1]));
  },
  sumPool2x: (_, inputs) => {
    const [x] = inputs as One;
    const [b, c, h, w] = x.shape as [number, number, number, number];
    return fill([b, c, h / 2, w / 2], ([n, k, i, j]) => {
      let sum = 0;
      for (const u of [0, 1]) for (const v of [0, 1]) sum += at(x, [n!, k!, 2 * i! + u, 2 * j! + v]);
      return sum;
    });
  },
  gatherRows: (_, inputs) => {
    const [table, ids] = inputs as Two;
    return fill([...ids.shape, table.shape[1]!], (index) =>
      at(table, [at(ids, index.slice(0, -1)), index.at(-1)!]),
    );
  },
  scatterAddRows: ({ rows }, inputs) => {
    const [updates, ids] = inputs as Two;
    const width = updates.shape[1]!;
    const sums = new Float64Array(rows * width);
    ids.data.forEach((id, n) => {
      for (let d = 0; d < width; d++) sums[id * width + d]! += updates.data[n * width + d]!;
    });
    return { shape: [rows, width], data: sums };
  },

  reduceSum: ({ axes }, [x]) => reduce(x!, axes),
  reduceMean: ({ axes }, [x]) => {
    const sums = reduce(x!, axes);
    return { shape: sums.shape, data: sums.data.map((s) => (s * sums.data.length) / x!.data.length) };
  },

  matmul: (_, inputs) => {
    const [a, b] = inputs as Two;
    const inner = a.shape.at(-1)!;
    const batch = common(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return fill([...batch, a.shape.at(-2)!, b.shape.at(-1)!], (index) => {
      const left = [...index];
      const right = [...index];
      let sum = 0;
      for (let k = 0; k < inner; k++) {
        left[index.length - 1] = k;
        right[index.length - 2] = k;
        sum += at(a, left) * at(b, right);
      }
      return sum;
    });
  },
  conv2d: ({ stride, pads }, inputs) => {
    const [x, w, bias] = inputs as readonly [Values, Values, Values?];
    const conv = { x: x.shape, w: w.shape, stride, pads };
    const y = fill([x.shape[0]!, w.shape[0]!, ...stepsOf(conv)], ([, k]) => bias?.data[k!] ?? 0);
    eachProduct(conv, (i, j, k) => (y.data[k]! += x.data[i]! * w.data[j]!));
    return y;
  },
  depthwiseConv2d: ({ stride, pads }, inputs) => {
    const [x, w, bias] = inputs as readonly [Values, Values, Values?];
    const [batch, channels] = x.shape as [number, number];
    const steps = stepsOf({ x: x.shape, w: w.shape, stride, pads });
    return fill([batch, channels, ...steps], ([b, c, i, j]) => {
      let sum = bias?.data[c!] ?? 0;
      for (let u = 0; u < w.shape[2]!; u++)
        for (let v = 0; v < w.shape[3]!; v++) {
          const row = i! * stride + u - pads[0];
          const column = j! * stride + v - pads[1];
          const inside = row >= 0 && row < x.shape[2]! && column >= 0 && column < x.shape[3]!;
          if (inside) sum += at(x, [b!, c!, row, column]) * at(w, [c!, 0, u, v]);
        }
      return sum;
    });
  },
  conv2dInputGrad: ({ stride, pads, size }, inputs) => {
    const [dy, w] = inputs as Two;
    const dx = fill([dy.shape[0]!, w.shape[1]!, ...size], () => 0);
    eachProduct({ x: dx.shape, w: w.shape, stride, pads }, (i, j, k) => {
      dx.data[i]! += dy.data[k]! * w.data[j]!;
    });
    return dx;
  },
  conv2dWeightGrad: ({ stride, pads, kernel }, inputs) => {
    const [x, dy] = inputs as Two;
    const dw = fill([dy.shape[1]!, x.shape[1]!, ...kernel], () => 0);
    eachProduct({ x: x.shape, w: dw.shape, stride, pads }, (i, j, k) => {
      dw.data[j]! += x.data[i]! * dy.data[k]!;
    });
    return dw;
  },

  softmax: (_, [x]) => runs(x!, x!.shape.at(-1)!, softmaxOf),
  layerNorm: ({ eps }, inputs) => {
    const [x, scale, bias] = inputs as Three;
    return runs(x, x.shape.at(-1)!, (run) =>
      normalized(run, eps).map((v, i) => v * scale.data[i]! + bias.data[i]!),
    );
  },
  geluGrad: zip((x, dy) => {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    return dy * ((1 + erf(x / Math.SQRT2)) / 2 + x * density);
  }),
  softmaxGrad: (_, inputs) => {
    const [y, dy] = inputs as Two;
    const width = y.shape.at(-1)!;
    return runs(y, width, (run, number) => {
      const along = dy.data.subarray(number * width, (number + 1) * width);
      const mean = total(run.map((v, i) => v * along[i]!));
      return run.map((v, i) => v * (along[i]! - mean));
    });
  },
  layerNormGrad: ({ eps }, inputs) => {
    const [x, g] = inputs as Two;
    const width = x.shape.at(-1)!;
    return runs(x, width, (run, number) => {
      const along = g.data.subarray(number * width, (number + 1) * width);
      const mean = total(run) / width;
      const rate = (total(run.map((v) => (v - mean) ** 2)) / width + eps) ** -0.5;
      const normal = run.map((v) => (v - mean) * rate);
      const parallel = total(normal.map((v, i) => v * along[i]!)) / width;
      return normal.map((v, i) => rate * (along[i]! - total(along) / width - v * parallel));
    });
  },
  groupNorm: ({ groups, eps }, inputs) => {
    const [x, scale, bias] = inputs as Three;
    const channels = x.shape[1]!;
    const area = sizeOf(x.shape.slice(2));
    const normal = runs(x, (channels / groups) * area, (run) => normalized(run, eps));
    return runs(normal, area, (run, number) => {
      const c = number % channels;
      return run.map((v) => v * scale.data[c]! + bias.data[c]!);
    });
  },
  attention: ({ heads, scale }, inputs) => {
    const [q, k, v] = inputs as Three;
    const width = q.shape[2]! / heads;
    const lengths = k.shape[1]!;
    return fill(q.shape, ([b, s, column]) => {
      const first = column! - (column! % width); // of this head
      const scores = Float64Array.from({ length: lengths }, (_, t) => {
        let dot = 0;
        for (let d = first; d < first + width; d++) dot += at(q, [b!, s!, d]) * at(k, [b!, t, d]);
        return dot * scale;
      });
      return total(softmaxOf(scores).map((p, t) => p * at(v, [b!, t, column!])));
    });
  },
};

/**
 * Values of all tensors that `outputs` need.
 *
 * @param feeds of every `input`, by name
 * @param held values that are taken as they are instead of computed
 * @throws Error where a tensor's shape is not what its primitive gives
 */
export function evaluate(
  outputs: readonly Tensor[],
  feeds: ValueFeeds,
  held: ReadonlyMap<Tensor, Values> = new Map(),
): Map<Tensor, Values> {
  const values = new Map<Tensor, Values>();
  for (const node of reachable(outputs)) {
    const known = held.get(node);
    const value = known ?? compute(node, values, feeds);
    if (value.shape.join() !== node.shape.join())
      throw new Error(
        `${node.primitive} gives [${value.shape.join()}], the graph says [${node.shape.join()}]`,
      );
    // In doubles but for 16-bit floats, each of whose results is rounded.
    values.set(node, node.dtype === 'float16' ? { ...value, data: value.data.map(ROUND.float16) } : value);
  }
  return values;
}

function compute(node: Node, values: ReadonlyMap<Tensor, Values>, feeds: ValueFeeds): Values {
  const rule = references[node.primitive] as Reference<Primitive>;
  return rule(
    node.params,
    node.inputs.map((x) => values.get(x)!),
    feeds,
  );
}
