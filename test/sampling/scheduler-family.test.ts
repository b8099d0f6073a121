import { beforeAll, describe, expect, it } from 'vitest';
import { createScheduler } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { TorchGenerator } from '../../gpu-worker/sampling/torch-noise.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { readFixture, TINY_MODEL, worstError } from '../helpers/fixtures.ts';

interface Case {
  readonly name: string;
  /** null: the class that the config names. */
  readonly scheduler: SchedulerName | null;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
}
type StepCase = Case & { readonly steps: number };
interface RunCase extends Case {
  readonly prompt: string;
  readonly height: number;
  readonly width: number;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
}

const steps = await readFixture<{ cases: readonly StepCase[] }>('steps', 'schedulers');
const runs = await readFixture<{ cases: readonly RunCase[] }>('runs', 'schedulers');
const noise = steps.tensor('noise').data;
const outputs = steps.tensor('model_outputs').data;
const at = (values: Float32Array, i: number) => values.subarray(i * noise.length, (i + 1) * noise.length);

/**
 * From a σ of 4096 the ancestral step down is a difference of nearly equal squares, in which the last bit of torch's
 * square root (not the nearest number) shows.
 */
const tolerance = ({ scheduler, config }: Case, usual: number): number =>
  scheduler === 'euler_a' && config['rescale_betas_zero_snr'] === true ? 1e-3 : usual;

describe("every step of a scheduler equals diffusers'", () => {
  it.each(steps.facts.cases)('$name', (each) => {
    const { name, scheduler: kind, config, steps: count, seed } = each;
    const scheduler = createScheduler(kind, config, count);
    expect(worstError(scheduler.timesteps, steps.tensor(`${name}.timesteps`).data)).toBeLessThan(1e-6);
    const sigma = steps.tensor(`${name}.init_noise_sigma`).data;
    expect(worstError([scheduler.initNoiseSigma], sigma)).toBeLessThan(1e-6);

    const expected = steps.tensor(`${name}.prev_samples`).data;
    const generator = new TorchGenerator(seed);
    let sample: Float32Array = noise.map((x) => x * scheduler.initNoiseSigma);
    for (let i = 0; i < scheduler.timesteps.length; i++) {
      const before = sample.slice();
      const next = scheduler.step(at(outputs, i), i, sample, () => generator.randn(noise.length));
      expect(sample).toEqual(before);
      expect(worstError(next, at(expected, i)), `step ${i}`).toBeLessThan(tolerance(each, 1e-5));
      sample = next;
    }
  });
});

it("Karras's timesteps are cut off, not rounded, where the noise levels follow a cosine", () => {
  const config = { beta_schedule: 'squaredcos_cap_v2' };
  // diffusers 0.42.1; the largest σ lies at 998.99999996.
  expect([...createScheduler('dpmpp_2m_karras', config, 7).timesteps]).toEqual([
    998, 998, 998, 997, 983, 682, 0,
  ]);
});

it('UniPC corrects no sample after the calls that its config names', () => {
  const config = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };
  const scheduler = createScheduler('unipc', { ...config, disable_corrector: [0, 2] }, 5);
  let sample: Float32Array = Float32Array.of(1, -0.5);
  for (let i = 0; i < 5; i++)
    sample = scheduler.step(Float32Array.of(0.3 + 0.2 * i, -0.1 * i), i, sample, () => sample);
  // UniPCMultistepScheduler of diffusers 0.42.1.
  expect(worstError(sample, [7.994422435760498, -6.189407825469971])).toBeLessThan(1e-5);
});

describe("a whole run with a scheduler draws diffusers' picture", () => {
  let model: TextToImage;
  beforeAll(async () => {
    model = await TextToImage.open(TINY_MODEL);
    return () => model.release();
  });

  it.each(runs.facts.cases)('$name', async (run) => {
    const { name, scheduler, config } = run;
    const own = model.model.scheduler;
    Object.assign(model.model, { scheduler: config });
    const request = {
      prompt: run.prompt,
      negative: null,
      adapter: null,
      steps: run.num_inference_steps,
      guidance: run.guidance_scale,
      scheduler,
      width: run.width,
      height: run.height,
      seed: run.seed,
      count: 2,
      noise: 'torch',
    } as const;
    const latents = await model.denoise(request);
    const pictures = await model.draw(request);
    Object.assign(model.model, { scheduler: own });
    expect(worstError(latents, runs.tensor(`${name}.latents`).data)).toBeLessThan(tolerance(run, 1e-4));
    // diffusers gives [pictures, 3, height, width] in 0 to 1.
    const expected = runs.tensor(`${name}.image`).data;
    const area = run.width * run.height;
    let difference = 0;
    for (const [picture, { pixels }] of pictures.entries())
      for (let i = 0; i < 3 * area; i++)
        difference += Math.abs(
          pixels[i]! - expected[picture * 3 * area + (i % 3) * area + Math.floor(i / 3)]! * 255,
        );
    expect(difference / (2 * 3 * area)).toBeLessThan(0.5);
  });
});
