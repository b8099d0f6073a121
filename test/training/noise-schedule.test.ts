import { describe, expect, it } from 'vitest';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { readFixture, worstError } from '../helpers/fixtures.ts';

interface Case {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}
const { tensor, facts } = await readFixture<{ cases: readonly Case[] }>('noise-schedules');

describe.each(facts.cases)('the $name schedule', ({ name, config }) => {
  const schedule = noiseSchedule(config);
  const [x, noise, timesteps] = [tensor('x').data, tensor('noise').data, tensor('timesteps').data];
  const { signal, sigma } = schedule.coefficients(timesteps);
  const row = (at: number) => Math.floor(at / (x.length / timesteps.length));

  it("keeps as much of the picture at each timestep as diffusers' DDPM", () => {
    const all = schedule.coefficients(Array.from({ length: schedule.timesteps }, (_, t) => t));
    const expected = tensor(`${name}.alphas_cumprod`).data;
    expect(schedule.timesteps).toBe(1000);
    expect(worstError(all.signal, expected.map(Math.sqrt))).toBeLessThan(1e-6);
  });

  it('adds the same noise and aims at the same velocity', () => {
    const noisy = x.map((value, at) => signal[row(at)]! * value + sigma[row(at)]! * noise[at]!);
    const velocity = x.map((value, at) => signal[row(at)]! * noise[at]! - sigma[row(at)]! * value);
    expect(worstError(noisy, tensor(`${name}.noisy`).data)).toBeLessThan(1e-5);
    expect(worstError(velocity, tensor(`${name}.velocity`).data)).toBeLessThan(1e-5);
  });
});

it('refuses to train a model that predicts neither noise nor velocity', () => {
  expect(() => noiseSchedule({ prediction_type: 'sample' })).toThrow(
    /prediction_type.*epsilon, v_prediction/,
  );
});
