/** @file Reverse mode over whole functions: composites, checkpointed blocks, and which tensors may be asked for. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { checkpoint, gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { Shape } from '../../gpu-worker/graph/primitives.ts';
import { runOnce, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import { reachable, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import { checkOp, dataOf, randomValues, weightedSum, type Operand } from '../helpers/check-op.ts';
import '../helpers/allclose.ts';

const small = (...shape: readonly number[]): Operand => ({ shape, range: [-0.5, 0.5] });

function twoLayers(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor): Tensor {
  return op.linear(op.tanh(op.linear(x, w1, b1)), w2, b2);
}
const TWO_LAYERS: readonly Operand[] = [[4, 3], small(6, 3), small(6), small(2, 6), small(2)];

/** Self-attention, cross-attention and a gated feed-forward, as in diffusers' BasicTransformerBlock. */
function transformerBlock(x: Tensor, text: Tensor, ...weights: Tensor[]): Tensor {
  const next = (): Tensor => weights.shift()!;
  const attend = (query: Tensor, context: Tensor): Tensor => {
    const [q, k, v] = [op.linear(query, next()), op.linear(context, next()), op.linear(context, next())];
    return op.linear(op.attention(q, k, v, 2, Math.SQRT1_2), next(), next());
  };
  const norm = (t: Tensor): Tensor => op.layerNorm(t, next(), next(), 1e-5);
  let h = norm(x);
  const y = op.add(x, attend(h, h)); // [B,S,D]
  const z = op.add(y, attend(norm(y), text));
  h = op.linear(norm(z), next(), next()); // [B,S,2F]
  const half = h.shape[2]! / 2;
  const gated = op.mul(op.slice(h, 2, 0, half), op.gelu(op.slice(h, 2, half, 2 * half)));
  return op.add(z, op.linear(gated, next(), next()));
}
const ATTENTION: readonly Operand[] = [small(4, 4), small(4, 4), small(4, 4), small(4, 4), small(4)];
const CROSS: readonly Operand[] = [small(4, 4), small(4, 3), small(4, 3), small(4, 4), small(4)];
const TRANSFORMER: readonly Operand[] = [
  ...[[2, 3, 4], [2, 5, 3], [4], [4], ...ATTENTION, [4], [4], ...CROSS],
  ...[[4], [4], small(12, 4), small(12), small(4, 6), small(4)],
];

/** diffusers' ResnetBlock2D with a time embedding and a 1×1 shortcut, then a step down. */
function residualBlock(x: Tensor, time: Tensor, ...weights: Tensor[]): Tensor {
  const next = (): Tensor => weights.shift()!;
  let h = op.silu(op.groupNorm(x, next(), next(), 2, 1e-5));
  h = op.conv2d(h, next(), next(), 1, 1);
  const shift = op.linear(op.silu(time), next(), next()); // [B,C]
  h = op.add(h, op.reshape(shift, [...shift.shape, 1, 1]));
  h = op.silu(op.groupNorm(h, next(), next(), 3, 1e-5));
  h = op.conv2d(h, next(), next(), 1, 1);
  h = op.add(op.conv2d(x, next(), next()), h);
  return op.conv2d(h, next(), next(), 2, 1);
}
const RESIDUAL: readonly Operand[] = [
  ...[[2, 4, 4, 3], [2, 5], [4], [4], small(6, 4, 3, 3), small(6), small(6, 5), small(6), [6], [6]],
  ...[small(6, 6, 3, 3), small(6), small(6, 4, 1, 1), small(6), small(3, 6, 3, 3), small(3)],
];

describe('composite functions', () => {
  it('a network of two layers', () => checkOp(twoLayers, TWO_LAYERS));
  it('a transformer block', () => checkOp(transformerBlock, TRANSFORMER));
  it('a residual convolution block', () => checkOp(residualBlock, RESIDUAL));
  it('a mean squared error of a tensor that is used in three ways', () =>
    checkOp(
      (x, y) => op.mean(op.square(op.sub(op.mul(x, op.add(x, y)), op.div(y, op.exp(x))))),
      [
        [3, 4],
        [3, 1],
      ],
    ));
});

/** Named inputs and their values. */
function inputsOf(shapes: readonly Shape[]): { inputs: Tensor[]; feeds: Feeds } {
  const inputs = shapes.map((shape, i) => op.input(`x${i}`, shape));
  const feeds = shapes.map((shape, i) => [`x${i}`, dataOf(randomValues(shape, [-1, 1], i), 'float32')]);
  return { inputs, feeds: Object.fromEntries(feeds) as Feeds };
}

async function lossAndGradients(
  loss: Tensor,
  targets: readonly Tensor[],
  feeds: Feeds,
): Promise<Float32Array[]> {
  const slopes = gradients(loss, targets);
  const results = await runOnce(
    compile({ loss, ...Object.fromEntries(slopes.map((dx, i) => [`d${i}`, dx])) }),
    feeds,
  );
  return Object.values(results);
}

describe('attention over more queries and keys than its gradient computes at once', () => {
  it('has the gradients of the same products without fusion', async () => {
    const { inputs, feeds } = inputsOf([
      [1, 3001, 4],
      [1, 3000, 4],
      [1, 3000, 4],
    ]);
    const [q, k, v] = inputs as [Tensor, Tensor, Tensor];
    const scores = op.matmul(op.mul(op.splitHeads(q, 2), 0.5), op.swap(op.splitHeads(k, 2)));
    const plain = op.joinHeads(op.matmul(op.softmax(scores), op.splitHeads(v, 2)));
    const gradientsOf = (y: Tensor): Promise<Float32Array[]> =>
      lossAndGradients(op.sum(op.mul(y, op.sin(q))), inputs, feeds);
    const expected = await gradientsOf(plain);
    const actual = await gradientsOf(op.attention(q, k, v, 2, 0.5));
    actual.forEach((data, n) => {
      const reference = expected[n]!;
      const size = Math.max(...reference.map(Math.abs));
      expect(data, `result ${n}`).toBeAllclose(reference, {
        absolute: 1e-5 * size,
        relative: 1e-3,
      });
    });
  });
});

describe('checkpointed blocks', () => {
  const plain = <T>(build: () => T): T => build();
  const shapeOf = (operand: Operand): Shape => ('shape' in operand ? operand.shape : operand);

  /** Loss and gradients with and without blocks, which must be the same to the last rounding. */
  async function compareBoth(
    shapes: readonly Shape[],
    build: (block: typeof plain, ...inputs: Tensor[]) => Tensor,
    targets: readonly number[] = [...shapes.keys()],
  ): Promise<void> {
    const { inputs, feeds } = inputsOf(shapes);
    const run = (block: typeof plain): Promise<Float32Array[]> =>
      lossAndGradients(
        weightedSum(build(block, ...inputs)),
        targets.map((i) => inputs[i]!),
        feeds,
      );
    const [kept, recomputed] = [await run(plain), await run(checkpoint)];
    expect(recomputed.length).toBe(kept.length);
    recomputed.forEach((data, i) =>
      expect(data, `result ${i}`).toBeAllclose(kept[i]!, {
        absolute: 1e-6,
        relative: 1e-6,
      }),
    );
    // Otherwise the comparison would say little.
    expect(recomputed.every((data) => data.some((value) => Math.abs(Number(value)) > 1e-3))).toBe(true);
  }

  it('a transformer block, three times, with text that every block reads', () =>
    compareBoth(TRANSFORMER.map(shapeOf), (block, x, text, ...weights) => {
      const once = (h: Tensor): Tensor => block(() => transformerBlock(h, text, ...weights));
      return once(once(once(x)));
    }));

  it('a residual block with frozen weights, with respect to its inputs', () =>
    compareBoth(
      RESIDUAL.map(shapeOf),
      (block, ...all) => op.sin(block(() => residualBlock(...(all as [Tensor, Tensor, ...Tensor[]])))),
      [0, 1],
    ));

  describe.each([
    { width: 8, convolutions: 2 },
    { width: 256, convolutions: 1 },
  ])('a convolution of $width channels', ({ width, convolutions }) => {
    const shapes = [
      [1, width, 2, 2],
      [width, width, 3, 3],
    ];
    const build = (block: typeof plain, x: Tensor, w: Tensor): Tensor =>
      block(() => op.tanh(op.conv2d(op.sin(x), w, undefined, 1, 1)));

    it('has the same gradients', () => compareBoth(shapes, build));
    it(`is computed ${convolutions === 1 ? 'once, because it is slow' : 'again'}`, () => {
      const [x, w] = inputsOf(shapes).inputs as [Tensor, Tensor];
      const loss = op.sum(build(checkpoint, x, w));
      const graph = reachable([loss, ...gradients(loss, [x])]);
      expect(graph.filter(({ primitive }) => primitive === 'conv2d').length).toBe(convolutions);
    });
  });

  it('blocks whose results are used in several places, also past other blocks', () =>
    compareBoth(
      [
        [3, 4],
        [4, 4],
        [4, 4],
      ],
      (block, x, v, w) => {
        const [a, b] = block(() => {
          const h = op.tanh(op.matmul(x, v));
          return [op.square(h), op.sin(op.matmul(h, w))] as const;
        });
        const c = block(() => op.mul(op.exp(op.matmul(a, w)), op.add(b, x)));
        return op.add(op.mul(c, a), op.matmul(op.tanh(b), v));
      },
    ));

  it('a block of one number, and one with nothing to recompute', () =>
    compareBoth([[], [2]], (block, x, y) => {
      const a = block(() => op.exp(op.sin(x)));
      return block(() =>
        op.mul(
          op.tanh(op.mul(a, y)),
          block(() => y),
        ),
      );
    }));

  it('blocks inside blocks', () =>
    compareBoth(
      [
        [3, 3],
        [3, 3],
      ],
      (block, x, w) =>
        block(() => {
          const h = op.tanh(op.matmul(x, w));
          const inner = block(() => op.sin(op.matmul(op.exp(h), w)));
          return op.mul(inner, op.add(h, op.square(inner)));
        }),
    ));
});

describe('what a gradient can be taken of', () => {
  it('slices of one flat vector of parameters, and the vector itself', async () => {
    const sizes = [6 * 3, 6, 2 * 6, 2];
    const shapes = [[6, 3], [6], [2, 6], [2]];
    const { inputs, feeds } = inputsOf([[4, 3], [sizes.reduce((a, b) => a + b)]]);
    const [x, flat] = inputs as [Tensor, Tensor];
    let end = 0;
    const parts = sizes.map((size) => op.slice(flat, 0, (end += size) - size, end));
    const [w1, b1, w2, b2] = parts.map((part, i) => op.reshape(part, shapes[i]!));
    const loss = op.mean(op.square(twoLayers(x, w1!, b1!, w2!, b2!)));
    const [, whole, ...pieces] = await lossAndGradients(loss, [flat, ...parts], feeds);
    expect(whole!.length).toBe(38);
    expect(whole!.every((value) => value !== 0)).toBe(true);
    expect([...whole!]).toEqual(pieces.flatMap((piece) => [...piece]));
  });

  it('a result and its parts, both in full', async () => {
    // y = x², loss = y³ + x: dloss/dy = 3 y², dloss/dx = 6 x y² + 1.
    const x = op.input('x', []);
    const y = op.square(x);
    const loss = op.add(op.mul(op.square(y), y), x);
    const [, dy, dx, dloss] = await lossAndGradients(loss, [y, x, loss], { x: new Float32Array([2]) });
    expect([dy![0], dx![0], dloss![0]]).toEqual([3 * 16, 6 * 2 * 16 + 1, 1]);
  });

  it('a result inside a checkpointed block', async () => {
    const x = op.input('x', []);
    const [y, z] = checkpoint(() => {
      const inner = op.mul(x, 3);
      return [inner, op.square(op.square(inner))] as const;
    });
    const [, dy, dx] = await lossAndGradients(z, [y, x], { x: new Float32Array([2]) });
    expect([dy![0], dx![0]]).toEqual([4 * 216, 3 * 4 * 216]);
  });

  it("tensors that the loss doesn't use: zeros of their shape", async () => {
    const { inputs, feeds } = inputsOf([
      [2, 3],
      [4, 1],
    ]);
    const [x, unused] = inputs as [Tensor, Tensor];
    const stopped = op.mul(op.stopGradient(x), 2);
    const [, dUnused, dStopped] = await lossAndGradients(op.sum(stopped), [unused, x], { x0: feeds.x0! });
    expect([...dUnused!]).toEqual([0, 0, 0, 0]);
    expect([...dStopped!]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('the same tensor twice', async () => {
    const x = op.input('x', [2]);
    const results = await lossAndGradients(op.sum(op.square(x)), [x, x], { x: new Float32Array([1, 2]) });
    expect(results.slice(1).map((dx) => [...dx])).toEqual([
      [2, 4],
      [2, 4],
    ]);
  });

  it('only a loss that is one number', () => {
    const x = op.input('x', [2]);
    expect(() => gradients(op.square(x), [x])).toThrow(
      expect.objectContaining({ code: 'GRAPH_SHAPE', message: 'the loss must be one number, got shape [2]' }),
    );
  });

  it('a loss of shape [1, 1] counts as one number', async () => {
    const x = op.input('x', [1, 1]);
    const [, dx] = await lossAndGradients(op.square(x), [x], { x: new Float32Array([3]) });
    expect([...dx!]).toEqual([6]);
  });
});
