/** @file The loop that trains adapters and whole models: means over micro-batches, stopping, and losses that diverge. */
import { expect, it } from 'vitest';
import { AdamW, ADAMW_DEFAULTS, initialState } from '../../gpu-worker/training/adamw.ts';
import { TrainingLoop, type LoopOptions } from '../../gpu-worker/training/loop.ts';

/** Trains one number to be 3: the loss is its squared distance, and micro-batch n adds `noise(n)` to the gradient. */
async function train(options: Partial<LoopOptions>, noise: (n: number) => number = () => 0) {
  const optimizer = await AdamW.create(ADAMW_DEFAULTS, initialState(Float32Array.of(0), ADAMW_DEFAULTS));
  const steps: number[] = [];
  const norms: number[] = [];
  const loop = new TrainingLoop({
    optimizer,
    steps: 4,
    learningRate: () => 0.1,
    async microBatch(n, gradient) {
      const distance = optimizer.state.parameters[0]! - 3;
      gradient[0] = 2 * distance + noise(n);
      return distance ** 2;
    },
    async onStep({ step, gradientNorm }) {
      steps.push(step);
      norms.push(gradientNorm);
    },
    ...options,
  });
  const error = await loop.run().catch((reason: unknown) => reason);
  const [value] = optimizer.state.parameters;
  await optimizer.release();
  return { value, steps, norms, error };
}

it('takes every step, and finds the minimum of the loss', async () => {
  const { value, steps } = await train({});
  expect(steps).toEqual([1, 2, 3, 4]);
  expect(value).toBeGreaterThan(0.3);
});

it('averages the gradients of the micro-batches of a step', async () => {
  const plain = await train({});
  const noisy = await train({ accumulation: 2 }, (n) => (n % 2 === 0 ? 1 : -1));
  expect(noisy).toEqual(plain);
});

it('stops between two micro-batches, with the state after the last whole step', async () => {
  const stop = new AbortController();
  const turns: number[] = [];
  const { steps, error } = await train({
    accumulation: 2,
    signal: stop.signal,
    turn: async () => {
      if (turns.push(0) === 4) stop.abort(new Error('enough'));
    },
  });
  expect(steps).toEqual([1]);
  expect(error).toMatchObject({ message: 'enough' });
});

it('stops when the loss is not a number', async () => {
  const { steps, error } = await train({ microBatch: async () => NaN });
  expect(steps).toEqual([]);
  expect(error).toMatchObject({ code: 'TRAINING_DIVERGED' });
});
