/** Whole runs of SD 1.5, SD 2.1-v and the refiner equal those of diffusers' pipelines, from folders and from single files. */
import { describe, expect, it } from 'vitest';
import { openDecoder } from '../../gpu-worker/models/autoencoder.ts';
import { createScheduler, schedulerProblem } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { worstError } from '../helpers/fixtures.ts';
import { openTiny, readReference } from '../helpers/sd-fixtures.ts';

describe.each([
  { name: 'sd15', form: 'folder' },
  { name: 'sd15', form: 'single file' },
  { name: 'sd21', form: 'folder' },
  { name: 'sd21', form: 'single file' },
  { name: 'refiner', form: 'folder' },
  { name: 'refiner', form: 'single file' },
] as const)('$name from a $form', ({ name, form }) => {
  it('draws what diffusers draws, with the scheduler that its folder names', async () => {
    const { tensor, facts } = await readReference(name);
    const {
      prompt,
      negative_prompt: negative,
      guidance_scale: guidance,
      num_inference_steps: steps,
      seed,
    } = facts.run;
    const engine = await TextToImage.open(await openTiny(name, form));
    const latents = await engine.denoise({
      prompt,
      negative,
      guidance,
      steps,
      seed,
      adapter: null,
      scheduler: null,
      width: 64,
      height: 32,
      count: 2,
      noise: 'torch',
    });
    expect(worstError(latents, tensor('run.latents').data)).toBeLessThan(1e-4);
    const decoder = await openDecoder(engine.model, 64, 32);
    const picture = await decoder.decode(latents.subarray(0, latents.length / 2));
    const expected = tensor('run.image').data;
    expect(worstError(picture, expected.subarray(0, expected.length / 2))).toBeLessThan(1e-3);
    await decoder.release();
    await engine.release();
  });
});

describe("SD 1.x's scheduler", () => {
  const config = { _class_name: 'PNDMScheduler', skip_prk_steps: true, steps_offset: 1 };

  it('visits its second timestep twice, and a single one once', () => {
    expect([...createScheduler(null, config, 4).timesteps]).toEqual([751, 501, 501, 251, 1]);
    expect([...createScheduler(null, config, 1).timesteps]).toEqual([1]);
  });

  it('has no Runge–Kutta start, which no published model needs', () => {
    expect(schedulerProblem({ ...config, skip_prk_steps: false })?.message).toMatch(/skip_prk_steps/);
  });
});
