/** The Kronecker adapter's losses and gradients are those of torch autograd on W + scale·kron(A, B). */
import { describe, expect, it } from 'vitest';
import { kroneckerLinear, kroneckerProduct } from '../../gpu-worker/adapters/forms/kronecker-graph.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { KeyedRandom } from '../../core/random.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { readFixture, TINY_MODEL, worstError } from '../helpers/fixtures.ts';
import { expectTorchGradient } from '../helpers/torch-gradient.ts';

const CASES = [
  { name: 'kronecker-4x2', a1: 4, a2: 2 },
  { name: 'kronecker-2x8', a1: 2, a2: 8 },
] as const;

describe.each(CASES)('$name', ({ name, a1, a2 }) => {
  it.each([
    { prediction: 'epsilon', checkpointing: false },
    { prediction: 'epsilon', checkpointing: true },
    { prediction: 'v_prediction', checkpointing: false },
  ] as const)('$prediction, checkpointing $checkpointing', async ({ prediction, checkpointing }) => {
    const model = await openModelFolder(TINY_MODEL);
    const { tensor, facts } = await readFixture<{ scale: number }>(name);
    const torch = {
      ...{ a1, a2, strength: facts.scale, pooled: true },
      // Loss and gradients are of both predictions.
      at: (key: string) => tensor(key.replace(/^(loss|grad)/, `$1.${prediction}`)),
    };
    const schedule = noiseSchedule({ ...model.scheduler, prediction_type: prediction });
    await expectTorchGradient(model, schedule, torch, checkpointing);
  });
});

describe('kroneckerLinear', () => {
  it.each([
    [4, 64, 6, 3],
    [64, 4, 2, 9],
    [1, 5, 7, 1],
    [8, 8, 8, 8],
    [16, 2, 3, 40],
  ])('multiplies by A ⊗ B for A %i×%i and B %i×%i, in the cheaper order', async (a1, a2, b1, b2) => {
    const value = (seed: number) => (_: unknown, i: number) => Math.sin(seed + i * 1.7);
    const [x, a, b] = [
      Float32Array.from({ length: 3 * a2 * b2 }, value(1)),
      Float32Array.from({ length: a1 * a2 }, value(2)),
      Float32Array.from({ length: b1 * b2 }, value(3)),
    ] as const;
    const y = kroneckerLinear(
      op.constant(x, [3, a2 * b2]),
      op.constant(a, [a1, a2]),
      op.constant(b, [b1, b2]),
    );
    const expected = Array.from({ length: 3 * a1 * b1 }, (_, index) => {
      const [row, out] = [Math.floor(index / (a1 * b1)), index % (a1 * b1)];
      let sum = 0;
      for (let j = 0; j < a2; j++) {
        for (let q = 0; q < b2; q++) {
          sum += x[row * a2 * b2 + j * b2 + q]! * a[Math.floor(out / b1) * a2 + j]! * b[(out % b1) * b2 + q]!;
        }
      }
      return sum;
    });
    const { product } = (await runOnce(compile({ product: y }), {})) as Record<string, Float32Array>;
    expect(worstError(product!, expected)).toBeLessThan(1e-5);
  });
});

describe('kroneckerProduct', () => {
  // Models apply small layers by the one way and large ones by the other.
  it.each([undefined, 'b-major'] as const)(
    'has the output and the gradients of kroneckerLinear, rows %s',
    async (rowOrder) => {
      const [a1, a2, b1, b2] = [4, 2, 3, 5];
      const x = op.input('x', [7, a2 * b2]);
      const a = op.input('a', [a1, a2]);
      const b = op.input('b', [b1, b2]);
      const weight = op.input('weight', [7, a1 * b1]);
      const ways = {
        linear: kroneckerLinear(x, a, b, rowOrder),
        product: op.linear(x, kroneckerProduct({ a1, a2, b1, b2, ...(rowOrder && { rowOrder }) }, a, b)),
      };
      const outputs = Object.fromEntries(
        Object.entries(ways).flatMap(([name, y]) => {
          const loss = op.sum(op.mul(y, weight));
          const grads = gradients(loss, [x, a, b]);
          return [[name, y], ...grads.map((grad, i) => [`${name}.d${'xab'[i]}`, grad] as const)] as const;
        }),
      );
      const random = (seed: number, size: number) => new KeyedRandom(seed, 'test').normals(size);
      const found = (await runOnce(compile(outputs), {
        x: random(1, 7 * a2 * b2),
        a: random(2, a1 * a2),
        b: random(3, b1 * b2),
        weight: random(4, 7 * a1 * b1),
      })) as Record<string, Float32Array>;
      for (const part of ['', '.dx', '.da', '.db'])
        expect(worstError(found[`product${part}`]!, [...found[`linear${part}`]!]), part).toBeLessThan(1e-5);
    },
  );
});
