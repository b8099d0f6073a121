/** @file Every primitive, forward against plain loops and backward against finite differences. */
import { hasHalf } from '../helpers/on-device.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { Pads, Primitive } from '../../gpu-worker/graph/primitives.ts';
import { runOnce, Session } from '../../gpu-worker/graph/runtime.ts';
import { make, reachable, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import { checkOp, type CheckOptions, type Operand } from '../helpers/check-op.ts';

type Build = (...operands: Tensor[]) => Tensor;
type Case = readonly [operands: readonly Operand[], build: Build, options?: CheckOptions];

const folder = mkdtempSync(join(tmpdir(), 'krona-primitives-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Ranks 0 to 5, with a length of 1 and an odd one. */
const RANKS: readonly (readonly number[])[] = [[], [5], [2, 3], [2, 1, 4], [1, 2, 3, 2], [2, 1, 2, 3, 2]];
/** Which a device without 16 bits can't run. */
const halfCasts: Case[] = hasHalf
  ? [
      [[[2, 3]], (x) => op.cast(op.cast(x, 'float16'), 'float32'), { gradient: false }],
      [[[2, 3]], (x) => op.cast(x, 'float16'), { gradient: false }],
    ]
  : [];

/** Broadcasting of neither, either, and both operands. */
const PAIRS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[], []],
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[1], [2, 3]],
  [[], [4, 1]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [2, 3, 1, 2, 1],
    [3, 2, 1, 4],
  ],
];

const elementwise = (build: Build, options: CheckOptions = {}): Case[] =>
  RANKS.map((shape) => [[shape], build, options]);
const broadcasting = (build: Build, options: CheckOptions = {}): Case[] =>
  PAIRS.map((shapes) => [shapes, build, options]);
const nonzero = (shape: readonly number[]): Operand => ({ shape, range: [0.5, 2] });

const SAME: Pads = [1, 1, 1, 1];
/** [x, w, stride, pads]: kernels 1, 3 and 2×3, strides 1 and 2, odd and even sides, height unlike width. */
const CONVOLUTIONS: readonly (readonly [
  x: readonly [number, number, number, number],
  w: readonly [number, number, number, number],
  stride: number,
  pads: Pads,
])[] = [
  [[2, 3, 5, 4], [4, 3, 3, 3], 1, SAME],
  [[1, 3, 5, 7], [2, 3, 3, 3], 1, [0, 0, 0, 0]],
  [[2, 3, 4, 5], [2, 3, 1, 1], 1, [0, 0, 0, 0]],
  [[1, 2, 4, 5], [3, 2, 3, 3], 1, [0, 1, 2, 1]],
  [[1, 2, 4, 5], [3, 2, 2, 3], 1, [0, 2, 1, 0]],
  [[1, 2, 4, 3], [2, 2, 1, 1], 1, [1, 0, 0, 2]], // more padding than a gradient's convolution can take away
  [[2, 2, 6, 4], [3, 2, 3, 3], 2, SAME],
  [[1, 2, 7, 5], [3, 2, 3, 3], 2, SAME],
  [[1, 2, 6, 8], [2, 2, 3, 3], 2, [0, 0, 1, 1]], // the VAE encoder's
  [[1, 2, 7, 6], [2, 2, 3, 3], 2, [0, 0, 1, 1]],
  [[1, 2, 5, 4], [2, 2, 3, 3], 2, [2, 1, 0, 1]],
  [[2, 3, 5, 4], [2, 3, 1, 1], 2, [0, 0, 0, 0]],
  [[1, 1, 3, 3], [1, 1, 3, 3], 1, [0, 0, 0, 0]],
  [[1, 2, 8, 7], [2, 2, 2, 2], 3, [0, 1, 1, 0]],
  // More values in the filters than in the pictures, and very many more
  [[1, 4, 2, 3], [5, 4, 3, 3], 1, SAME],
  [[1, 6, 3, 4], [5, 6, 2, 3], 1, [0, 2, 1, 0]],
  [[1, 8, 1, 1], [8, 8, 3, 3], 1, SAME],
];

const steps = (length: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((length + padding - kernel) / stride) + 1;
const convolved = (
  [b, , h, w]: readonly number[],
  [k, , kh, kw]: readonly number[],
  stride: number,
  pads: Pads,
) => [b!, k!, steps(h!, kh!, stride, pads[0] + pads[2]), steps(w!, kw!, stride, pads[1] + pads[3])];

/** A weight of the dtype in a file of its own, some bytes after its start. */
function storedWeight(name: string, dtype: 'float32' | 'float16' | 'bfloat16', bytes: Uint8Array): Tensor {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([Buffer.alloc(36), bytes]));
  const shape = [bytes.length / (dtype === 'float32' ? 4 : 2)];
  return make('weight', { name, shape, dtype, source: { path, offset: 36, length: bytes.length } }, []);
}

/** Ordinary, subnormal, largest and negative numbers of each dtype. */
const WEIGHTS = {
  float32: new Uint8Array(new Float32Array([1, -2.5, 3e-9, 0.1]).buffer),
  float16: new Uint8Array(new Uint16Array([0x3c00, 0xc100, 0x0001, 0x7bff, 0x8000, 0x2e66]).buffer),
  bfloat16: new Uint8Array(new Uint16Array([0x3f80, 0xc020, 0x3dcd, 0x7f7f, 0x8000, 0x0080]).buffer),
};

const CASES: { readonly [P in Primitive]: readonly Case[] } = {
  input: [[[[2, 3]], (x) => x]],
  weight: [[[[4]], (x) => op.mul(x, storedWeight('w32', 'float32', WEIGHTS.float32))]],
  constant: [
    [[[2, 3]], (x) => op.mul(x, op.constant(new Float32Array([1.5, -2, 3e-8]), [3]))],
    [[[]], (x) => op.add(op.mul(x, -0.1), op.scalar(7))],
    [[[5, 2]], (x) => op.gatherRows(x, op.constant(new BigInt64Array([4n, 0n]), [2]))],
    [
      [[70]],
      (x) =>
        op.mul(
          x,
          op.constant(
            new Float32Array(70).map((_, i) => i / 7),
            [70],
          ),
        ),
    ],
  ],

  neg: elementwise(op.neg),
  exp: elementwise(op.exp),
  log: elementwise(op.log, { range: [0.3, 3] }),
  sqrt: elementwise(op.sqrt, { range: [0.3, 3] }),
  abs: elementwise(op.abs, { apart: true }),
  sign: elementwise(op.sign, { apart: true }),
  erf: elementwise(op.erf),
  sin: elementwise(op.sin, { range: [-7, 7] }),
  cos: elementwise(op.cos, { range: [-7, 7] }),
  tanh: elementwise(op.tanh),
  sigmoid: elementwise(op.sigmoid, { range: [-6, 6] }),
  silu: elementwise(op.silu, { range: [-6, 6] }),
  gelu: elementwise(op.gelu, { range: [-4, 4] }),
  quickGelu: elementwise(op.quickGelu, { range: [-4, 4] }),
  add: broadcasting(op.add),
  sub: broadcasting(op.sub),
  mul: broadcasting(op.mul),
  div: PAIRS.map(([a, b]) => [[a, nonzero(b)], op.div]),
  min: broadcasting(op.min, { apart: true }),
  max: broadcasting(op.max, { apart: true }),
  less: broadcasting(op.less, { apart: true }),
  cast: [
    ...halfCasts,
    [[[2, 3]], (x) => op.cast(op.cast(x, 'bfloat16'), 'float32'), { gradient: false }],
    [[[2, 3]], (x) => op.cast(op.cast(x, 'int64'), 'float32'), { gradient: false }],
    [[{ shape: [4], ids: [3, -1, 0, 2 ** 20] }], (ids) => op.cast(ids, 'float32')],
    [[[6]], (x) => op.add(x, op.cast(storedWeight('w16', 'float16', WEIGHTS.float16), 'float32'))],
    [[], () => op.cast(storedWeight('b16', 'bfloat16', WEIGHTS.bfloat16), 'float32')],
  ],
  stopGradient: [
    [[[2, 3]], (x) => op.mul(x, op.stopGradient(op.square(x)))],
    [[[3], [3]], (x, y) => op.add(op.stopGradient(x), y)],
  ],
  after: RANKS.map((shape) => [[shape, [], [2, 3]], (x, y, z) => op.mul(op.after(x, [y, z]), y)]),

  reshape: [
    [[[2, 6]], (x) => op.reshape(x, [3, 4])],
    [[[1, 1]], (x) => op.reshape(x, [])],
    [[[]], (x) => op.reshape(x, [1, 1, 1])],
    [[[2, 3, 2]], (x) => op.reshape(x, [2, 1, 3, 1, 2])],
  ],
  transpose: [
    [[[2, 3]], op.swap],
    [[[2, 3, 4]], (x) => op.transpose(x, [2, 0, 1])],
    [[[2, 3, 1, 2]], (x) => op.transpose(x, [0, 2, 3, 1])],
    [[[2, 1, 3, 2, 2]], (x) => op.transpose(x, [4, 2, 0, 3, 1])],
    [[[2, 3]], (x) => op.add(op.swap(x), 1)], // not the input of a product
  ],
  broadcast: [
    [[[]], (x) => op.broadcast(x, [2, 3])],
    [[[3]], (x) => op.broadcast(x, [2, 3])],
    [[[2, 1]], (x) => op.broadcast(x, [2, 3])],
    [[[3, 1, 2]], (x) => op.broadcast(x, [2, 3, 4, 2])],
    [[[1, 1]], (x) => op.broadcast(x, [1, 2, 1, 1, 3])],
  ],
  slice: [
    [[[5]], (x) => op.slice(x, 0, 1, 4)],
    ...[0, 1, 2, 3].map((axis): Case => [[[3, 4, 3, 5]], (x) => op.slice(x, axis, 1, 3)]),
    [[[3, 4]], (x) => op.slice(x, 1, 2, 2)], // nothing
    [[[7, 3]], (x) => op.slice(x, 0, 1, 6, 2), { gradient: false }],
    [[[4, 5]], (x) => make('slice', { starts: [1, 0], ends: [3, 4], steps: [1, 1] }, [x])],
    [[[4]], (x) => make('slice', { starts: [0], ends: [4], steps: [1] }, [x])],
  ],
  pad: [
    [[[3]], (x) => op.pad(x, [2], [1])],
    ...[0, 1, 2, 3].map((axis): Case => {
      const sides = (n: number): number[] => [0, 0, 0, 0].with(axis, n);
      return [[[2, 1, 3, 2]], (x) => op.pad(x, sides(1), sides(2))];
    }),
    [[[2, 3]], (x) => op.pad(x, [0, 1], [2, 0])],
  ],
  concat: [
    [[[2], [3]], (x, y) => op.concat([x, y], 0)],
    ...[0, 1, 2].map((axis): Case => {
      const shape = [2, 3, 2];
      return [[shape, shape.with(axis, 1), shape.with(axis, 4)], (x, y, z) => op.concat([x, y, z, x], axis)];
    }),
  ],
  upsample2x: [
    [[[2, 3, 3, 2]], (x) => op.upsampleNearest(x, 6, 4)],
    [[[1, 1, 1, 5]], (x) => op.upsampleNearest(x, 2, 10)],
  ],
  sumPool2x: [
    [[[2, 3, 4, 6]], op.sumPool2x],
    [[[1, 2, 2, 2]], op.sumPool2x],
  ],
  gatherRows: [
    [[[5, 3], { shape: [2, 4], ids: [0, 4, 4, 1, 2, 4, 0, 0] }], op.gatherRows],
    [[[5, 3], { shape: [6], ids: [1, 1, 1, 1, 1, 1] }], op.gatherRows],
    [[[1, 2], { shape: [], ids: [0] }], op.gatherRows],
  ],
  scatterAddRows: [
    [[[6, 3], { shape: [6], ids: [0, 4, 4, 1, 4, 0] }], (x, ids) => op.scatterAddRows(x, ids, 5)],
    [[[1, 2], { shape: [1], ids: [2] }], (x, ids) => op.scatterAddRows(x, ids, 3)],
  ],

  reduceSum: reductions(op.sum),
  reduceMean: reductions(op.mean),

  matmul: [
    [
      [
        [2, 3],
        [3, 4],
      ],
      op.matmul,
    ],
    [
      [
        [1, 3],
        [3, 1],
      ],
      op.matmul,
    ],
    [
      [
        [4, 2, 3],
        [4, 3, 2],
      ],
      op.matmul,
    ],
    [
      [
        [4, 2, 3],
        [3, 2],
      ],
      op.matmul,
    ],
    [
      [
        [2, 3],
        [4, 3, 2],
      ],
      op.matmul,
    ],
    [
      [
        [2, 1, 2, 3],
        [4, 3, 2],
      ],
      op.matmul,
    ],
    [
      [
        [1, 3, 2, 2],
        [2, 1, 2, 5],
      ],
      op.matmul,
    ],
    // Products that read an input transposed, on either side and both
    [
      [
        [2, 3],
        [4, 3],
      ],
      (a, b) => op.matmul(a, op.swap(b)),
    ],
    [
      [
        [3, 2],
        [3, 4],
      ],
      (a, b) => op.matmul(op.swap(a), b),
    ],
    [
      [
        [3, 2],
        [4, 3],
      ],
      (a, b) => op.matmul(op.swap(a), op.swap(b)),
    ],
    [[[3, 3]], (a) => op.add(op.matmul(op.swap(a), a), op.swap(a))],
    [
      [
        [2, 3],
        [3, 4],
      ],
      (a, b) => op.swap(op.matmul(a, b)),
    ],
    [[[2, 3, 5], [4, 5], [4]], op.linear],
    [[[5], [4, 5]], op.linear],
    [[[1, 2, 3, 2]], (x) => op.upsampleNearest(x, 5, 7)],
    [[[1, 2, 7, 5]], (x) => op.upsampleNearest(x, 4, 5)],
  ],
  conv2d: CONVOLUTIONS.flatMap(([x, w, stride, pads]): Case[] => [
    [[x, w], (a, b) => op.conv2d(a, b, undefined, stride, pads)],
    [[x, w, [w[0]]], (a, b, bias) => op.conv2d(a, b, bias, stride, pads)],
  ]),
  depthwiseConv2d: CONVOLUTIONS.flatMap(([x, [, , kh, kw], stride, pads]): Case[] => [
    [[x, [x[1], 1, kh, kw]], (a, b) => op.depthwiseConv2d(a, b, undefined, stride, pads)],
    [[x, [x[1], 1, kh, kw], [x[1]]], (a, b, bias) => op.depthwiseConv2d(a, b, bias, stride, pads)],
  ]),
  conv2dInputGrad: CONVOLUTIONS.map(([x, w, stride, pads]): Case => [
    [convolved(x, w, stride, pads), w],
    (dy, b) => op.conv2dInputGrad(dy, b, stride, pads, [x[2], x[3]]),
  ]),
  conv2dWeightGrad: CONVOLUTIONS.map(([x, w, stride, pads]): Case => [
    [x, convolved(x, w, stride, pads)],
    (a, dy) => op.conv2dWeightGrad(a, dy, stride, pads, [w[2], w[3]]),
  ]),

  softmax: [
    [[[5]], op.softmax],
    [[[2, 1]], op.softmax],
    [[[2, 3, 4]], op.softmax],
    [[[2, 2, 1, 3, 2]], op.softmax],
    [[{ shape: [2, 4], range: [80, 100] }], op.softmax],
  ],
  layerNorm: [
    [[[6], [6], [6]], layerNorm],
    [[[2, 5], [5], [5]], layerNorm],
    [[[2, 3, 4], [4], [4]], layerNorm],
    [[[1, 2, 2, 3], [3], [3]], layerNorm],
    [[[3, 1], [1], [1]], layerNorm], // one value a row: nothing but the bias
    [
      [{ shape: [2, 8], range: [99, 101] }, [8], [8]],
      layerNorm,
      { tolerance: 1e-3, gradientTolerance: 1e-2 },
    ],
  ],
  // Of gradients; finite differences check those themselves in few-launches.test.ts.
  geluGrad: RANKS.map((shape): Case => [
    [{ shape, range: [-6, 6] }, shape],
    op.geluGrad,
    { gradient: false },
  ]),
  softmaxGrad: RANKS.slice(1).map((shape): Case => [
    [{ shape, range: [0, 1] }, shape],
    op.softmaxGrad,
    { gradient: false },
  ]),
  layerNormGrad: [[6], [2, 5], [2, 3, 4], [1, 2, 2, 3]].map((shape): Case => [
    [shape, shape],
    (x, g) => op.layerNormGrad(x, g, 1e-5),
    { gradient: false },
  ]),
  groupNorm: [
    ...[1, 2, 3, 6].map((groups): Case => [
      [[2, 6, 3, 2], [6], [6]],
      (x, scale, bias) => op.groupNorm(x, scale, bias, groups, 1e-5),
    ]),
    [[[3, 4], [4], [4]], (x, scale, bias) => op.groupNorm(x, scale, bias, 2, 1e-6)],
    [[[2, 4, 5], [4], [4]], (x, scale, bias) => op.groupNorm(x, scale, bias, 2, 1e-6)],
    [[[1, 4, 1, 1], [4], [4]], (x, scale, bias) => op.groupNorm(x, scale, bias, 2, 0.1)],
  ],
  attention: [
    [
      [
        [2, 3, 4],
        [2, 3, 4],
        [2, 3, 4],
      ],
      (q, k, v) => op.attention(q, k, v, 1, 0.5),
    ],
    [
      [
        [2, 3, 6],
        [2, 5, 6],
        [2, 5, 6],
      ],
      (q, k, v) => op.attention(q, k, v, 3, Math.SQRT1_2),
    ],
    [
      [
        [1, 5, 4],
        [1, 2, 4],
        [1, 2, 4],
      ],
      (q, k, v) => op.attention(q, k, v, 4, 1),
    ],
    [
      [
        [1, 4, 8],
        [1, 1, 8],
        [1, 1, 8],
      ],
      (q, k, v) => op.attention(q, k, v, 2, 0.3),
    ],
    [[[1, 4, 6]], (x) => op.attention(x, x, x, 2, 0.6)],
  ],
};

function layerNorm(x: Tensor, scale: Tensor, bias: Tensor): Tensor {
  return op.layerNorm(x, scale, bias, 1e-5);
}

function reductions(build: (x: Tensor, axes?: readonly number[]) => Tensor): Case[] {
  return [
    ...RANKS.slice(1).map((shape): Case => [[shape], (x) => build(x)]),
    ...[[0], [1], [2], [0, 2], [1, 2]].map((axes): Case => [[[2, 3, 4]], (x) => build(x, axes)]),
    [[[2, 3, 2, 1, 2]], (x) => build(x, [0, 2, 3])],
  ];
}

const shapeText = (operand: Operand): string =>
  `[${('ids' in operand || 'shape' in operand ? operand.shape : operand).join(',')}]`;

describe.each(Object.entries(CASES))('%s', (primitive, cases) => {
  it.each(cases.map((one, i) => [`${i}: ${one[0].map(shapeText).join(' ')}`, one] as const))(
    '%s',
    async (_, [operands, build, options]) => {
      const used = new Set<string>();
      await checkOp(
        (...inputs) => {
          const y = build(...inputs);
          for (const node of reachable([y])) used.add(node.primitive);
          return y;
        },
        operands,
        options,
      );
      expect([...used]).toContain(primitive);
    },
  );
});

describe('beyond the table', () => {
  it('casts pass gradients straight through', async () => {
    const x = op.input('x', [2]);
    const y = op.sum(
      op.mul(op.cast(op.cast(x, 'float16'), 'float32'), op.constant(new Float32Array([2, 3]), [2])),
    );
    const { dx } = await runOnce(compile({ dx: gradients(y, [x])[0] }), {});
    expect([...dx]).toEqual([2, 3]);
  });

  it('slices with steps have no gradient and say so', () => {
    const x = op.input('x', [6]);
    expect(() => gradients(op.sum(op.slice(x, 0, 0, 6, 2)), [x])).toThrow(/slice with steps \[2\]/);
  });

  it('adds up rows of repeated ids correctly with several threads', async () => {
    const rows = 4096;
    const program = compile({
      y: op.scatterAddRows(op.input('x', [rows, 16]), op.input('ids', [rows], 'int64'), 3),
    });
    const session = await Session.create(program, { threads: 4 });
    const ids = new BigInt64Array(rows).map((_, i) => BigInt(i % 3));
    for (let i = 0; i < 5; i++) {
      const { y } = await session.run({ x: new Float32Array(rows * 16).fill(1), ids });
      expect([y[0], y[16], y[32]]).toEqual([1366, 1365, 1365]);
    }
    await session.release();
  });
});
