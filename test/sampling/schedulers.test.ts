import { describe, expect, it } from 'vitest';
import { createScheduler, schedulerProblem } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { readFixture, worstError } from '../helpers/fixtures.ts';

interface Case {
  readonly name: string;
  readonly scheduler: SchedulerName;
  readonly config: Readonly<Record<string, unknown>>;
  readonly steps: number;
}
const { tensor, facts } = await readFixture<{ cases: readonly Case[] }>('schedulers');
const noise = tensor('noise').data;
const outputs = tensor('model_outputs').data;
/** Entry `i` of a tensor of samples. */
const at = (values: Float32Array, i: number) => values.subarray(i * noise.length, (i + 1) * noise.length);

/** DDIM and Euler draw no noise. */
const none = (): never => {
  throw new Error('noise was drawn');
};

describe.each(facts.cases)('$name', ({ name, scheduler: kind, config, steps }) => {
  const scheduler = createScheduler(kind, config, steps);

  it("visits diffusers' timesteps", () => {
    expect(worstError(scheduler.timesteps, tensor(`${name}.timesteps`).data)).toBeLessThan(1e-6);
    const sigma = tensor(`${name}.init_noise_sigma`).data;
    expect(worstError([scheduler.initNoiseSigma], sigma)).toBeLessThan(1e-6);
  });

  it("gives diffusers' samples after every step", () => {
    const expected = tensor(`${name}.prev_samples`).data;
    let sample: Float32Array = noise.map((x) => x * scheduler.initNoiseSigma);
    for (let i = 0; i < steps; i++) {
      const scaled = scheduler.scaleModelInput(sample, i);
      if (kind === 'euler') {
        expect(worstError(scaled, at(tensor(`${name}.scaled`).data, i))).toBeLessThan(1e-5);
      } else expect(scaled).toEqual(sample);
      const before = sample.slice();
      const next = scheduler.step(at(outputs, i), i, sample, none);
      expect(sample).toEqual(before);
      expect(worstError(next, at(expected, i))).toBeLessThan(1e-5);
      sample = next;
    }
  });
});

describe('the scheduler of a model folder', () => {
  const named = (className: string) => ({ _class_name: className, num_train_timesteps: 1000 });

  it('is the one that the folder names, unless another is requested', () => {
    const own = (className: string) => createScheduler(null, named(className), 10).timesteps;
    expect(own('DDIMScheduler')).toEqual(createScheduler('ddim', {}, 10).timesteps);
    expect(own('EulerDiscreteScheduler')).toEqual(createScheduler('euler', {}, 10).timesteps);
    const asked = createScheduler('ddim', named('EulerDiscreteScheduler'), 10).timesteps;
    expect(asked).toEqual(own('DDIMScheduler'));
  });

  it('is euler for an unsupported class, which is named', () => {
    const config = { ...named('SASolverScheduler'), beta_schedule: 'scaled_linear', solver_order: 9 };
    expect(schedulerProblem(config)?.message).toMatch(/SASolverScheduler.*Krona uses euler/);
    const { timesteps } = createScheduler(null, config, 10);
    expect(timesteps).toEqual(createScheduler('euler', config, 10).timesteps);
    expect(schedulerProblem(named('DEISMultistepScheduler'))).toBeNull();
  });

  it.each([
    { solver_order: 9 },
    { solver_order: 'two' },
    { thresholding: true },
    { algorithm_type: 'dpmsolver' },
    { use_karras_sigmas: true, sigma_min: -1 },
    { use_karras_sigmas: 'yes' },
    { timestep_spacing: 'sideways' },
  ])('is euler for unsupported fields: %j', (fields) => {
    const config = { ...named('DPMSolverMultistepScheduler'), ...fields };
    expect(schedulerProblem(config)?.code).toBe('SCHEDULER_UNSUPPORTED');
    expect(createScheduler(null, config, 10).timesteps).toHaveLength(10);
  });

  it.each([
    [named('FlowMatchEulerDiscreteScheduler'), /FlowMatchEulerDiscreteScheduler.*beta_schedule/],
    [{ ...named('EDMEulerScheduler'), sigma_data: 0.5 }, /EDMEulerScheduler/],
    [{ ...named('UniPCMultistepScheduler'), use_flow_sigmas: true }, /use_flow_sigmas/],
    [{ ...named('DDIMScheduler'), beta_end: 40 }, /beta_end/],
    [{ ...named('DDIMScheduler'), beta_start: -1 }, /beta_start/],
    [{ ...named('DDIMScheduler'), num_train_timesteps: 1e9 }, /num_train_timesteps.*100000/],
  ])("is refused if the training's noise levels are unknown: %j", (config, message) => {
    expect(() => schedulerProblem(config)).toThrow(message);
    expect(() => createScheduler('ddim', config, 10)).toThrow(message);
  });

  it.each([
    [{ beta_schedule: 'sigmoid' }, /beta_schedule.*sigmoid.*scaled_linear/],
    [{ prediction_type: 'flow' }, /prediction_type.*flow/],
    [{ trained_betas: [0.1, 0.2] }, /trained_betas.*1000 numbers/],
    [{ num_train_timesteps: 0 }, /num_train_timesteps/],
    [{ use_beta_sigmas: true, use_karras_sigmas: true }, /use_karras_sigmas/],
    [{ use_karras_sigmas: true, use_exponential_sigmas: true }, /use_karras_sigmas/],
  ])('is refused with unknown settings: %j', (config, message) => {
    expect(() => createScheduler('euler', config, 10)).toThrow(message);
  });

  it.each<[SchedulerName, string, unknown]>([
    ['ddpm', 'variance_type', 'fixed_small'],
    ['ddim', 'set_alpha_to_one', false],
    ['euler', 'rescale_betas_zero_snr', false],
    ['heun', 'use_karras_sigmas', false],
  ])('takes null as diffusers does: %s, %s is %j then', (name, field, same) => {
    const last = (config: Readonly<Record<string, unknown>>) => {
      const scheduler = createScheduler(name, { _class_name: 'DPMSolverMultistepScheduler', ...config }, 2);
      const first = scheduler.step(at(outputs, 0), 0, noise, () => at(outputs, 5));
      return scheduler.step(at(outputs, 1), 1, first, () => at(outputs, 6));
    };
    expect(last({ [field]: null })).toEqual(last({ [field]: same }));
  });

  it.each([0, -1, 2.5, NaN, 1001])('is refused with %d steps', (steps) => {
    expect(() => createScheduler('ddim', {}, steps)).toThrow(/1 to 1000/);
  });

  it('takes as many steps as there are timesteps', () => {
    for (const spacing of ['leading', 'trailing', 'linspace'])
      for (let steps = 1; steps <= 1000; steps += 37) {
        const { timesteps } = createScheduler('ddim', { timestep_spacing: spacing }, steps);
        expect(timesteps.length).toBe(steps);
        expect(timesteps.every((t, i) => t >= 0 && t < 1000 && (i === 0 || t < timesteps[i - 1]!))).toBe(
          true,
        );
      }
    // With an offset the last would lie beyond the trained timesteps.
    expect(() => createScheduler('ddim', { steps_offset: 1 }, 1000)).toThrow(/1 to 999/);
  });
});
