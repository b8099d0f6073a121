import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KeyedRandom } from '../../../core/random.ts';
import { compile } from '../../../gpu-worker/graph/compile.ts';
import * as op from '../../../gpu-worker/graph/ops.ts';
import { Session } from '../../../gpu-worker/graph/runtime.ts';
import { orthogonal } from '../../../lab/pretrain/muon.ts';
import { runStage, type Stage } from '../../../lab/pretrain/stage.ts';

let root: string;
beforeAll(async () => (root = await mkdtemp(join(tmpdir(), 'krona-muon-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

it.each([
  ['wide', [12, 40]],
  ['tall', [40, 12]],
  ['a convolution', [12, 4, 3, 3]],
])("makes a matrix's directions equally strong and keeps them: %s", async (_, shape) => {
  const [rows, ...rest] = shape as [number, ...number[]];
  const columns = rest.reduce((product, side) => product * side, 1);
  const x = new KeyedRandom(1, 'matrix').normals(rows * columns);
  const session = await Session.create(compile({ y: orthogonal(op.input('x', shape)) }));
  const { y } = await session.run({ x });
  await session.release();
  const [before, after] = [x, y].map((flat) => Matrix.from1DArray(rows, columns, [...flat])) as [
    Matrix,
    Matrix,
  ];
  const small = rows < columns ? after.mmul(after.transpose()) : after.transpose().mmul(after);
  const values = new EigenvalueDecomposition(small).realEigenvalues.map(Math.sqrt);
  // Five steps of its polynomial bring singular values to 0.7 to 1.2 of each other; the size is that of AdamW's updates.
  expect(Math.max(...values) / Math.min(...values)).toBeLessThan(2);
  const rms = Math.sqrt(y.reduce((sum, value) => sum + value * value, 0) / y.length);
  expect(rms).toBeGreaterThan(0.1);
  expect(rms).toBeLessThan(0.3);
  // The same directions: X·Yᵀ is symmetric and positive for the polar factor of X.
  const product = rows < columns ? before.mmul(after.transpose()) : before.transpose().mmul(after);
  expect(Matrix.sub(product, product.transpose()).norm() / product.norm()).toBeLessThan(0.1);
  expect(product.trace()).toBeGreaterThan(0);
});

/** Learns a 6×6 matrix whose directions differ in size by a factor of 50, and a bias. */
const stage = (optimizer: 'adamw' | 'muon'): Stage => {
  const wanted = new KeyedRandom(3, 'wanted').normals(36).map((value, i) => value * (i % 6 === 0 ? 1 : 0.02));
  return {
    name: optimizer,
    settings: { batch: 16, steps: 80, lr: 0.05, warmup: 5, averageDecay: 0.5, optimizer },
    loss(p) {
      const guess = op.add(op.matmul(op.input('x', [16, 6]), p.tensor('w', [6, 6])), p.tensor('bias', [6]));
      return op.reshape(op.mean(op.square(op.sub(guess, op.input('y', [16, 6])))), []);
    },
    initial: (layout) => Promise.resolve(new Float32Array(layout.length)),
    batch(step) {
      const x = new KeyedRandom(1, 'x', step).normals(96);
      const y = new Float32Array(96);
      for (let row = 0; row < 16; row++)
        for (let c = 0; c < 6; c++)
          for (let k = 0; k < 6; k++) y[row * 6 + c]! += x[row * 6 + k]! * wanted[k * 6 + c]!;
      return Promise.resolve({ x, y: y.map((value) => value + 1) });
    },
  };
};

it('learns, and a stopped stage gives the same numbers', async () => {
  const losses: number[] = [];
  const whole = await runStage(stage('muon'), {
    folder: join(root, 'whole'),
    onProgress: ({ loss }) => losses.push(loss),
  });
  expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.2);
  const abort = new AbortController();
  const folder = join(root, 'stopped');
  await expect(
    runStage(stage('muon'), {
      folder,
      signal: abort.signal,
      onProgress: ({ step }) => {
        if (step === 33) abort.abort(new Error('enough'));
      },
    }),
  ).rejects.toThrow('enough');
  expect(await runStage(stage('muon'), { folder })).toEqual(whole);
});
