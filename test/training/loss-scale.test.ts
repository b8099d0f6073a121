/** Dynamic loss scaling moves as torch's, and a step that overflows changes nothing but the scale. */
import { expect, it } from 'vitest';
import { AdamW, ADAMW_DEFAULTS, initialState } from '../../gpu-worker/training/adamw.ts';
import {
  INITIAL_LOSS_SCALE,
  nextLossScale,
  scaledStep,
  type LossScale,
} from '../../gpu-worker/training/loss-scale.ts';

/** torch 2.12.1, GradScaler('cpu') over the steps of the test: [step, scale after it] wherever that changed. */
const TORCH = [
  [0, 32768],
  [1, 16384],
  [2, 8192],
  [2002, 4096],
  [4002, 8192],
  [6002, 16384],
  [6004, 8192],
];

it('the scale of the loss changes as in torch.amp.GradScaler', () => {
  const steps = [
    ...Array<boolean>(3).fill(false),
    ...Array<boolean>(1999).fill(true),
    false,
    ...Array<boolean>(4001).fill(true),
    false,
  ];
  const changes: [number, number][] = [];
  let scale = INITIAL_LOSS_SCALE;
  expect(scale.scale).toBe(65536);
  steps.forEach((finite, step) => {
    const before = scale.scale;
    scale = nextLossScale(scale, finite);
    if (scale.scale !== before) changes.push([step, scale.scale]);
  });
  expect(changes).toEqual(TORCH);
});

it("a step with a gradient that isn't finite changes only the scale", async () => {
  const state = initialState(Float32Array.of(1, -2, 3), ADAMW_DEFAULTS);
  const optimizer = await AdamW.create(ADAMW_DEFAULTS, state);
  try {
    const step = (gradient: number[], scale: LossScale | null) => {
      const numbers = Float32Array.from(gradient);
      return scaledStep(numbers, scale, () => optimizer.step(numbers, 0.1));
    };
    expect(await step([1, 2, 3], { scale: 8, good: 5 })).toEqual({
      taken: true,
      scale: { scale: 8, good: 6 },
    });
    const before = structuredClone(optimizer.state);
    for (const bad of [Infinity, -Infinity, NaN]) {
      const { taken, scale } = await step([1, bad, 3], { scale: 8, good: 6 });
      expect({ taken, scale }).toEqual({ taken: false, scale: { scale: 4, good: 0 } });
      expect(optimizer.state).toEqual(before);
    }
    // Large numbers whose sum is no number are none of those.
    expect((await step([3e38, 3e38, -3e38], { scale: 8, good: 6 })).taken).toBe(true);
    expect(optimizer.state.step).toBe(2);
    for (const helpless of [null, { scale: 1, good: 0 }])
      await expect(step([1, NaN, 3], helpless)).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
  } finally {
    await optimizer.release();
  }
});
