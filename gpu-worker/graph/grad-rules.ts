/**
 * @file The gradient of each primitive: dL/d(each input) from dL/dy, built lazily because many inputs need none. `null`
 * where none exists, with the reason.
 */
import { attentionParts } from './attention-parts.ts';
import { currentDialect } from './device.ts';
import { GraphError } from './errors.ts';
import * as op from './ops.ts';
import type { Primitive, Taking } from './primitives.ts';
import { sideOf, sidesOf, sizeOf } from './shapes.ts';
import type { Tensor } from './tensor.ts';

/** One entry per input. */
export type InputGradients = readonly ((() => Tensor) | null)[];
type GradRule<P extends Primitive> = (y: Tensor<P>, dy: Tensor) => InputGradients;

const leaf = (): InputGradients => [];

/** A rule of a primitive with one input x. */
const unary =
  <P extends Taking<readonly [Tensor]>>(dx: (x: Tensor, y: Tensor<P>, dy: Tensor) => Tensor): GradRule<P> =>
  (y, dy) => [() => dx(y.inputs[0], y, dy)];

/** A rule of an elementwise primitive with inputs a and b, before the sums that undo broadcasting. */
const binary =
  <P extends Taking<readonly [Tensor, Tensor]>>(
    da: (a: Tensor, b: Tensor, dy: Tensor, y: Tensor) => Tensor,
    db: (a: Tensor, b: Tensor, dy: Tensor, y: Tensor) => Tensor,
  ): GradRule<P> =>
  (y, dy) => {
    const [a, b] = y.inputs;
    return [() => op.sumTo(da(a, b, dy, y), a.shape), () => op.sumTo(db(a, b, dy, y), b.shape)];
  };

const noGradient = ({ primitive }: Tensor): never => {
  throw new GraphError(
    'GRAPH_NO_GRADIENT',
    `${primitive} has no gradient rule: no second derivatives on cards`,
  );
};

const SQRT_HALF = Math.SQRT1_2;
const INV_SQRT_2PI = 1 / Math.sqrt(2 * Math.PI);

export const gradRules: { readonly [P in Primitive]: GradRule<P> } = {
  input: leaf,
  weight: leaf,
  constant: leaf,

  neg: unary((_x, _y, dy) => op.neg(dy)),
  exp: unary((_x, y, dy) => op.mul(dy, y)),
  log: unary((x, _y, dy) => op.div(dy, x)),
  sqrt: unary((_x, y, dy) => op.div(dy, op.mul(2, y))),
  abs: unary((x, _y, dy) => op.mul(dy, op.sign(x))),
  sign: () => [null], // flat wherever it has a slope
  erf: unary((x, _y, dy) => op.mul(dy, op.mul(2 / Math.sqrt(Math.PI), op.exp(op.neg(op.square(x)))))),
  sin: unary((x, _y, dy) => op.mul(dy, op.cos(x))),
  cos: unary((x, _y, dy) => op.neg(op.mul(dy, op.sin(x)))),
  tanh: unary((_x, y, dy) => op.mul(dy, op.sub(1, op.square(y)))),
  sigmoid: unary((_x, y, dy) => op.mul(dy, op.mul(y, op.sub(1, y)))),
  // With s = sigmoid(x), y = x s: y' = s + x s (1 - s) = y + s (1 - y).
  silu: unary((x, y, dy) => op.mul(dy, op.add(y, op.mul(op.sigmoid(x), op.sub(1, y))))),
  // y = x Φ(x): y' = Φ(x) + x φ(x).
  gelu: unary((x, _y, dy) => {
    if (currentDialect().fewLaunches) return op.geluGrad(x, dy);
    const cdf = op.add(0.5, op.mul(0.5, op.erf(op.mul(x, SQRT_HALF))));
    const pdf = op.mul(INV_SQRT_2PI, op.exp(op.mul(-0.5, op.square(x))));
    return op.mul(dy, op.add(cdf, op.mul(x, pdf)));
  }),
  // With s = sigmoid(1.702 x), y = x s: y' = s + 1.702 y (1 - s).
  quickGelu: unary((x, y, dy) => {
    const s = op.sigmoid(op.mul(1.702, x));
    return op.mul(dy, op.add(s, op.mul(1.702, op.mul(y, op.sub(1, s)))));
  }),
  add: binary(
    (_a, _b, dy) => dy,
    (_a, _b, dy) => dy,
  ),
  sub: binary(
    (_a, _b, dy) => dy,
    (_a, _b, dy) => op.neg(dy),
  ),
  mul: binary(
    (_a, b, dy) => op.mul(dy, b),
    (a, _b, dy) => op.mul(dy, a),
  ),
  div: binary(
    (_a, b, dy) => op.div(dy, b),
    (_a, b, dy, y) => op.neg(op.div(op.mul(dy, y), b)),
  ),
  // At a tie, b gets the whole gradient.
  min: binary(
    (a, b, dy) => op.mul(dy, op.less(a, b)),
    (a, b, dy) => op.mul(dy, op.sub(1, op.less(a, b))),
  ),
  max: binary(
    (a, b, dy) => op.mul(dy, op.less(b, a)),
    (a, b, dy) => op.mul(dy, op.sub(1, op.less(b, a))),
  ),
  less: () => [null, null], // a step
  cast: unary((x, _y, dy) => op.cast(dy, x.dtype)),
  stopGradient: () => [null], // by definition
  after: (y, dy) => [() => dy, ...y.inputs.slice(1).map(() => null)], // order carries no value

  reshape: unary((x, _y, dy) => op.reshape(dy, x.shape)),
  transpose: unary((_x, y, dy) => {
    const perm = y.params.perm;
    return op.transpose(
      dy,
      perm.map((_, axis) => perm.indexOf(axis)),
    );
  }),
  broadcast: unary((x, _y, dy) => op.sumTo(dy, x.shape)),
  slice: (y, dy) => {
    const { starts, ends, steps } = y.params;
    if (steps.some((step) => step !== 1)) {
      throw new GraphError(
        'GRAPH_NO_GRADIENT',
        `slice with steps [${steps.join(',')}] has no gradient rule; use steps of 1`,
      );
    }
    const [{ shape }] = y.inputs;
    const rest = shape.map((side, axis) => side - (ends[axis] ?? side));
    return [() => op.pad(dy, starts, rest)];
  },
  pad: (y, dy) => [
    () =>
      y.params.before.reduce(
        (part, start, axis) => op.slice(part, axis, start, start + sideOf(y.inputs[0], axis)),
        dy,
      ),
  ],
  concat: (y, dy) => {
    const { axis } = y.params;
    let end = 0;
    return y.inputs.map((part) => {
      const start = end;
      end += sideOf(part, axis);
      const stop = end;
      return () => op.slice(dy, axis, start, stop);
    });
  },
  upsample2x: unary((_x, _y, dy) => op.sumPool2x(dy)),
  sumPool2x: unary((x, _y, dy) => op.upsampleNearest(dy, sideOf(x, 2), sideOf(x, 3))),
  gatherRows: (y, dy) => {
    const [table, ids] = y.inputs;
    const [rows, width] = sidesOf(table, 2);
    const count = sizeOf(ids.shape);
    return [
      () => op.scatterAddRows(op.reshape(dy, [count, width]), op.reshape(ids, [count]), rows),
      null, // ids are whole numbers
    ];
  },
  scatterAddRows: (y, dy) => [() => op.gatherRows(dy, y.inputs[1]), null], // ids are whole numbers

  reduceSum: unary((x, _y, dy) => op.broadcast(dy, x.shape)),
  reduceMean: unary((x, y, dy) => {
    const count = y.params.axes.reduce((n, axis) => n * sideOf(x, axis), 1);
    return op.broadcast(op.mul(dy, 1 / count), x.shape);
  }),

  matmul: (y, dy) => {
    const { alpha } = y.params;
    const [a, b] = y.inputs;
    return [
      () => op.sumTo(op.scaledMatmul(dy, op.swap(b), alpha), a.shape),
      () => op.sumTo(op.scaledMatmul(op.swap(a), dy, alpha), b.shape),
    ];
  },
  conv2d: ({ params: { stride, pads }, inputs }, dy) => {
    const [x, w] = inputs;
    const [, , height, width] = sidesOf(x, 4);
    const [filters, , kh, kw] = sidesOf(w, 4);
    return [
      () => op.conv2dInputGrad(dy, w, stride, pads, [height, width]),
      () => op.conv2dWeightGrad(x, dy, stride, pads, [kh, kw]),
      () => op.reshape(op.sum(dy, [0, 2, 3]), [filters]),
    ].slice(0, inputs.length);
  },
  // With xᵤᵥ = the padded x from (u, v) in steps of the stride, y = Σᵤᵥ wᵤᵥ xᵤᵥ: each window position is a product.
  depthwiseConv2d: ({ params: { stride, pads }, inputs, shape }, dy) => {
    const [x, w] = inputs;
    const [batch, channels, height, width] = sidesOf(x, 4);
    const [, , kh, kw] = sidesOf(w, 4);
    const [, , rows, columns] = sidesOf({ shape }, 4);
    const [top, left, bottom, right] = pads;
    const [high, wide] = [height + top + bottom, width + left + right];
    const positions = Array.from({ length: kh * kw }, (_, i) => [Math.floor(i / kw), i % kw] as const);
    const at = (t: Tensor, u: number, v: number): Tensor => {
      const part = op.slice(t, 2, u, u + (rows - 1) * stride + 1, stride);
      return op.slice(part, 3, v, v + (columns - 1) * stride + 1, stride);
    };
    /** The adjoint of `at`: every value back at its origin, zeros elsewhere. */
    const back = (t: Tensor, u: number, v: number): Tensor => {
      const apart = op.pad(
        op.reshape(t, [batch, channels, rows, 1, columns, 1]),
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, stride - 1, 0, stride - 1],
      );
      const spread = op.reshape(apart, [batch, channels, rows * stride, columns * stride]);
      const cut = op.slice(op.slice(spread, 2, 0, (rows - 1) * stride + 1), 3, 0, (columns - 1) * stride + 1);
      return op.pad(cut, [0, 0, u, v], [0, 0, high - u - sideOf(cut, 2), wide - v - sideOf(cut, 3)]);
    };
    return [
      () => {
        const parts = positions.map(([u, v]) => {
          const weight = op.slice(op.slice(w, 2, u, u + 1), 3, v, v + 1);
          return back(op.mul(dy, op.reshape(weight, [channels, 1, 1])), u, v);
        });
        const padded = parts.reduce((sum, part) => op.add(sum, part));
        return op.slice(op.slice(padded, 2, top, top + height), 3, left, left + width);
      },
      () => {
        const padded = op.pad(x, [0, 0, top, left], [0, 0, bottom, right]);
        const sums = positions.map(([u, v]) =>
          op.reshape(op.sum(op.mul(dy, at(padded, u, v)), [0, 2, 3]), [channels, 1]),
        );
        return op.reshape(op.concat(sums, 1), w.shape);
      },
      () => op.reshape(op.sum(dy, [0, 2, 3]), [channels]),
    ].slice(0, inputs.length);
  },
  // Both are linear in each input, and adjoints of each other and of conv2d.
  conv2dInputGrad: ({ params: { stride, pads }, inputs }, dx) => {
    const [dy, w] = inputs;
    const [, , kh, kw] = sidesOf(w, 4);
    return [
      () => op.conv2d(dx, w, undefined, stride, pads),
      () => op.conv2dWeightGrad(dx, dy, stride, pads, [kh, kw]),
    ];
  },
  conv2dWeightGrad: ({ params: { stride, pads }, inputs }, dw) => {
    const [x, dy] = inputs;
    const [, , height, width] = sidesOf(x, 4);
    return [
      () => op.conv2dInputGrad(dy, dw, stride, pads, [height, width]),
      () => op.conv2d(x, dw, undefined, stride, pads),
    ];
  },

  // dx = y (dy - Σ dy y).
  softmax: unary((_x, y, dy) => softmaxGradient(y, dy)),
  // With x̂ = (x - μ) r, r = 1/√(var + ε), g = dy·scale: dx = r (g - mean(g) - x̂ mean(g x̂)).
  layerNorm: ({ params: { eps }, inputs }, dy) => {
    const [x, scale, bias] = inputs;
    const last = x.shape.length - 1;
    const rows = [...Array(last).keys()];
    const centred = op.sub(x, op.mean(x, [last]));
    const r = op.div(1, op.sqrt(op.add(op.mean(op.square(centred), [last]), eps)));
    const xhat = op.mul(centred, r);
    return [
      () => {
        const g = op.mul(dy, scale);
        if (currentDialect().fewLaunches) return op.layerNormGrad(x, g, eps);
        const along = op.mul(xhat, op.mean(op.mul(g, xhat), [last]));
        return op.mul(r, op.sub(op.sub(g, op.mean(g, [last])), along));
      },
      () => op.reshape(op.sum(op.mul(dy, xhat), rows), scale.shape),
      () => op.reshape(op.sum(dy, rows), bias.shape),
    ];
  },
  geluGrad: noGradient,
  softmaxGrad: noGradient,
  layerNormGrad: noGradient,
  // Per channel s1 = Σ dy, s2 = Σ dy (x - μ); per group of n values, with r = 1/√(var + ε) and γ = scale:
  // dx = γ r dy - (x - μ) r³ Σγ s2 / n - r Σγ s1 / n. Two full-size products instead of the naive eight.
  groupNorm: ({ params: { groups, eps }, inputs }, dy) => {
    const [x, scale, bias] = inputs;
    const [batch, channels] = [sideOf(x, 0), sideOf(x, 1)];
    const each = channels / groups;
    const area = sizeOf(x.shape.slice(2));
    const n = each * area;
    const grouped = op.reshape(x, [batch, groups, n]);
    const flat = op.sub(grouped, op.mean(grouped, [2])); // [B,G,n]
    const r = op.div(1, op.sqrt(op.add(op.mean(op.square(flat), [2]), eps))); // [B,G,1]
    const centred = op.reshape(flat, [batch, channels, area]);
    const g = op.reshape(dy, [batch, channels, area]);
    const s1 = op.sum(g, [2]); // [B,C,1]
    const s2 = op.sum(op.mul(g, centred), [2]);
    /** One number per group, repeated for each of its channels. */
    const spread = (t: Tensor): Tensor =>
      op.reshape(op.broadcast(t, [batch, groups, each]), [batch, channels, 1]);
    const perGroup = (t: Tensor): Tensor =>
      op.sum(op.reshape(op.mul(t, op.reshape(scale, [channels, 1])), [batch, groups, each]), [2]);
    return [
      () => {
        const a = op.mul(spread(r), op.reshape(scale, [channels, 1]));
        const b = spread(op.mul(perGroup(s2), op.mul(-1 / n, op.mul(r, op.square(r)))));
        const c = spread(op.mul(perGroup(s1), op.mul(-1 / n, r)));
        return op.reshape(op.add(op.mul(g, a), op.add(op.mul(centred, b), c)), x.shape);
      },
      () => op.reshape(op.sum(op.mul(s2, spread(r)), [0]), scale.shape),
      () => op.reshape(op.sum(s1, [0]), bias.shape),
    ];
  },
  attention: (y, dy) => {
    let made: Triple | undefined;
    const gradient = (i: 0 | 1 | 2) => () => op.joinHeads((made ??= attentionGradients(y, dy))[i]);
    return [gradient(0), gradient(1), gradient(2)];
  },
};

/** y (dy - Σ dy y), over the last axis. */
function softmaxGradient(y: Tensor, dy: Tensor): Tensor {
  if (currentDialect().fewLaunches) return op.softmaxGrad(y, dy);
  return op.mul(y, op.sub(dy, op.sum(op.mul(dy, y), [y.shape.length - 1])));
}

/** The shared part of the gradients by q, k and v: three tensors in this order. */
type Triple = readonly [Tensor, Tensor, Tensor];

/**
 * By q, k and v, [B,·,H·D]. P = softmax(q kᵀ s) is recomputed for some heads and queries at a time: whole, it takes S·T
 * values per head, which at 64×64 latents exceeds everything else. dv = Pᵀ do; dP = do vᵀ; dS = P (dP - Σ dP P); dq =
 * dS k s; dk = dSᵀ q s. With Σ do o in place of Σ dP P (Dao et al. 2022, arXiv 2205.14135, B.2) one product less would
 * do, but the dS of a single key, which is zero, would become its rounding error.
 */
function attentionGradients(y: Tensor<'attention'>, dy: Tensor): Triple {
  const { heads, scale } = y.params;
  const split = (x: Tensor): Tensor => op.splitHeads(x, heads);
  const [q, k, v] = [split(y.inputs[0]), split(y.inputs[1]), split(y.inputs[2])];
  const dOut = split(dy);
  const [batch, , queries] = sidesOf(q, 4);
  const { attentionPart } = currentDialect();
  const whole = { batch, heads, queries, keys: sideOf(k, 2) };
  const { heads: together, queries: rows } = attentionParts(whole, attentionPart);
  // Products of cards scale for nothing; elsewhere k is scaled before, and dk at the end.
  const [before, after] = currentDialect().fewLaunches ? [undefined, scale] : [scale, undefined];
  const some: Triple[] = [];
  for (let head = 0; head < heads; head += together) {
    const part = (x: Tensor): Tensor => op.slice(x, 1, head, Math.min(heads, head + together));
    const given = {
      q: part(q),
      k: part(before === undefined ? k : op.mul(k, before)),
      v: part(v),
      dOut: part(dOut),
    };
    some.push(headGradients(given, after, rows, some.at(-1) ?? []));
  }
  const joined = (i: 0 | 1 | 2): Tensor =>
    op.concat(
      some.map((parts) => parts[i]),
      1,
    );
  const [dq, dk, dv] = [joined(0), joined(1), joined(2)];
  return [dq, op.swap(before === undefined ? dk : op.mul(dk, before)), op.swap(dv)];
}

/** Tensors of some heads, [B,H,·,D]. */
interface HeadInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly dOut: Tensor;
}

/**
 * dq, dkᵀ and dvᵀ of some heads, `rows` queries at a time; not before `earlier`. Products scale by `scale`; without it, k is
 * k·s, and dkᵀ without the factor s.
 */
function headGradients(
  { q, k, v, dOut }: HeadInputs,
  scale: number | undefined,
  rows: number,
  earlier: readonly Tensor[],
): Triple {
  const queries = sideOf(q, 2);
  const dq: Tensor[] = [];
  let sums: { readonly dk: Tensor; readonly dv: Tensor } | undefined;
  let before = earlier;
  for (let from = 0; from < queries; from += rows) {
    const part = (x: Tensor): Tensor =>
      op.after(op.slice(x, 2, from, Math.min(queries, from + rows)), before);
    const [someQ, someOut] = [part(q), part(dOut)];
    const p = op.softmax(op.scaledMatmul(someQ, op.swap(k), scale));
    const dP = op.matmul(someOut, op.swap(v));
    const dS = softmaxGradient(p, dP);
    const someDq = op.scaledMatmul(dS, k, scale);
    dq.push(someDq);
    const [dk, dv] = [op.scaledMatmul(op.swap(someQ), dS, scale), op.matmul(op.swap(someOut), p)];
    sums = sums ? { dk: op.add(sums.dk, dk), dv: op.add(sums.dv, dv) } : { dk, dv };
    before = [someDq, sums.dk, sums.dv];
  }
  if (!sums) throw new GraphError('GRAPH_SHAPE', 'attention of no queries has no gradient');
  return [op.concat(dq, 2), sums.dk, sums.dv];
}
