/** Learning rates, loss weights and size conditioning are what diffusers computes (test/fixtures/make-training.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { timeIds } from '../../gpu-worker/models/architecture.ts';
import { minSnrWeight } from '../../gpu-worker/training/loss-weights.ts';
import { lrShare } from '../../gpu-worker/training/lr-schedule.ts';
import type { LrSchedule } from '../../core/settings/choices.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { loadPhoto } from '../../gpu-worker/training/photos.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

interface Expected {
  lr: { schedule: LrSchedule; steps: number; warmup: number; rates: number[] }[];
  minSnr: {
    prediction: 'epsilon' | 'v_prediction';
    gamma: number;
    timesteps: number[];
    weights: number[];
  }[];
  timeIds: { original: number[]; crop: number[]; target: number[]; ids: number[] };
}
const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const expected = read(join(import.meta.dirname, '../fixtures/training.json')) as Expected;

describe('the learning rate', () => {
  it.each(expected.lr)(
    "of $schedule with $warmup of $steps steps to warm up is diffusers'",
    ({ schedule, steps, warmup, rates }) => {
      for (let step = 0; step < steps; step++)
        // Its warm-up begins with a step at zero, ours a step later.
        expect(lrShare(schedule, step, steps, warmup), `step ${step}`).toBeCloseTo(
          step < warmup ? rates[step + 1]! : rates[step]!,
          6,
        );
    },
  );
});

describe('min-SNR', () => {
  it.each(expected.minSnr)(
    "weighs $prediction with γ $gamma as diffusers' scripts do",
    ({ prediction, gamma, timesteps, weights }) => {
      const config = read(join(TINY_MODEL, 'scheduler/scheduler_config.json')) as Record<string, unknown>;
      const { signal, sigma } = noiseSchedule(config).coefficients(timesteps);
      for (const [i, weight] of weights.entries())
        expect(minSnrWeight(signal[i]!, sigma[i]!, gamma, prediction) / weight).toBeCloseTo(1, 4);
    },
  );

  it('leaves pure noise its full weight', () => {
    expect(minSnrWeight(0, 1, 5, 'epsilon')).toBe(1);
    expect(minSnrWeight(0, 1, 5, 'v_prediction')).toBe(0);
  });
});

describe('SDXL', () => {
  const picture = () => {
    const [height, width] = expected.timeIds.original as [number, number];
    return sharp({ create: { width, height, channels: 3, background: '#888' } })
      .png()
      .toBuffer();
  };

  it('gets sizes and crop in the order of its pipeline', async () => {
    const { ids, original, crop, target } = expected.timeIds;
    expect(timeIds('sdxl', [...original, ...crop, ...target] as never)).toEqual(ids);
    const photo = await loadPhoto(await picture(), 64, 64);
    expect(photo.timeIds.slice(0, 2)).toEqual(original);
    expect(photo.timeIds.slice(4)).toEqual(target);
  });

  it('gets the position of a crop in the photo as it is shown, mirrored or not', async () => {
    const at = async (x: number, flip: boolean) =>
      (await loadPhoto(await picture(), 64, 64, 'a', { x, y: 0.5, flip })).timeIds;
    // 192 wide when it covers 64.
    expect((await at(0, false)).slice(2, 4)).toEqual([0, 0]);
    expect((await at(1, false)).slice(2, 4)).toEqual([0, 128]);
    expect((await at(0.25, true)).slice(2, 4)).toEqual([0, 32]);
  });
});
