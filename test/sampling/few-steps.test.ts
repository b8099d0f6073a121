/**
 * Turbo, Lightning, Hyper-SD, TCD and LCM draw what diffusers draws (test/fixtures/distilled, `few`), and an adapter for few
 * steps draws beside a subject's.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { fewStepsOf, fewStepsOfFile } from '../../gpu-worker/models/few-steps.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { findSpeeds, speedOf } from '../../gpu-worker/sampling/speed.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { checkDrawing } from '../../core/settings/check.ts';
import { withOptions } from '../../core/settings/read.ts';
import { startingSettings } from '../../core/settings/defaults.ts';
import { FEW_STEPS, fewStepsReference, writeDistilled } from '../helpers/distilled.ts';
import { worstError } from '../helpers/fixtures.ts';
import { writeLora } from '../helpers/lora-file.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

describe('a run in few steps is that of diffusers', () => {
  it.each(Object.entries(FEW_STEPS))('%s', async (name, facts) => {
    const { tensor } = await fewStepsReference();
    const engine = await TextToImage.open(tinyFolder(facts.base));
    const latents = await engine.denoise({
      prompt: facts.prompt,
      negative: null,
      adapter: null,
      steps: facts.num_inference_steps,
      guidance: facts.guidance_scale,
      scheduler: null,
      schedulerFields: {
        ...facts.config,
        _class_name: facts.scheduler,
        ...(facts.eta !== undefined && { eta: facts.eta }),
      },
      width: 32,
      height: 32,
      seed: facts.seed,
      count: 2,
      noise: 'torch',
    });
    expect(worstError(latents, tensor(`${name}.latents`).data)).toBeLessThan(1e-4);
    await engine.release();
  });
});

describe('the way to draw, by name', () => {
  it.each([
    ['sdxl_lightning_4step_lora', 'EulerDiscreteScheduler', 4, 1],
    ['Hyper-SDXL-8steps-lora', 'DDIMScheduler', 8, 1],
    ['Hyper-SD15-1step-lora', 'TCDScheduler', 1, 1],
    ['Hyper-SD15-8steps-CFG-lora', 'DDIMScheduler', 8, 5],
    ['TCD-SDXL-LoRA', 'TCDScheduler', 4, 1],
    ['sdxl-turbo', 'EulerAncestralDiscreteScheduler', 4, 1],
    ['dreamshaperXL_v21TurboDPMSDE', 'EulerAncestralDiscreteScheduler', 4, 1],
    ['LCM_Dreamshaper_v7', 'LCMScheduler', 4, 1],
  ])('%s', (name, scheduler, steps, guidance) => {
    expect(fewStepsOf(name)).toMatchObject({ scheduler: { _class_name: scheduler }, steps, guidance });
  });

  it.each(['hyperrealism_v3', 'mochi', 'turbulence', 'sd_xl_base_1.0', 'welcome'])('%s: none', (name) => {
    expect(fewStepsOf(name)).toBeNull();
  });

  it("is that of the folder where the file's name is that of every download", () => {
    const path = '/models/lcm-lora-sdv1-5/pytorch_lora_weights.safetensors';
    expect(fewStepsOfFile(path)?.scheduler).toEqual({ _class_name: 'LCMScheduler' });
    expect(() => speedOf('/models/mochi/mochi.safetensors')).toThrow(/expected lcm, tcd, lightning/);
  });
});

describe('a speed file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-speed-'));
    await mkdir(join(folder, 'speed'));
    await writeLora('sdxl', join(folder, 'speed/lcm-lora-sdxl.safetensors'));
    await writeLora('sd15', join(folder, 'speed/sd15_lightning_2step.safetensors'));
    await writeLora('sd15', join(folder, 'subject.safetensors'));
    await writeLora('sd15', join(folder, 'speed/unnamed.safetensors'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is offered if it fits the model and its name is known; others are left out and said why', async () => {
    const painter = await TextToImage.open(tinyFolder('sd15'));
    const refused: string[] = [];
    const found = await findSpeeds(painter.model, join(folder, 'speed'), (why) => refused.push(why));
    expect(found.map(({ name, steps, guidance }) => ({ name, steps, guidance }))).toEqual([
      { name: 'sd15_lightning_2step', steps: 2, guidance: 1 },
    ]);
    expect(refused).toEqual([
      expect.stringMatching(
        /^lcm-lora-sdxl\.safetensors can't be used for speed\. .*Use the model that it was made for/,
      ),
      expect.stringMatching(/^unnamed\.safetensors can't be used for speed\. .*expected lcm, tcd/),
    ]);
    await painter.release();
  });

  it("draws beside a subject's adapter, whose strength is its own", async () => {
    const painter = await TextToImage.open(tinyFolder('sd15'));
    const [subject, speed] = [
      await painter.readAdapter(join(folder, 'subject.safetensors')),
      await painter.readAdapter(join(folder, 'speed/sd15_lightning_2step.safetensors')),
    ];
    const draw = (strengths: readonly [number, number]) =>
      painter.denoise({
        prompt: 'a photo of a cat',
        negative: null,
        adapter: [
          { ...speed, strength: strengths[0] },
          { ...subject, strength: strengths[1] },
        ],
        steps: 2,
        guidance: 1,
        scheduler: null,
        schedulerFields: speedOf('sd15_lightning_2step.safetensors').scheduler,
        width: 32,
        height: 32,
        seed: 1,
        count: 1,
        noise: 'krona',
      });
    const all = [await draw([1, 1]), await draw([1, 0]), await draw([0, 1]), await draw([0, 0])];
    for (const [i, one] of all.entries())
      for (const other of all.slice(i + 1)) expect(worstError(one, other)).toBeGreaterThan(1e-4);
    await painter.release();
  });

  it('brings its steps and guidance into the settings, and takes them away again', async () => {
    const speeds = [{ name: 'lightning', steps: 2, guidance: 1 }];
    const model = { ...modelCard(await openModel(tinyFolder('sd15'))), speeds };
    const start = startingSettings(model);
    const fast = withOptions({ ...start, scheduler: 'ddim' }, { speed: 'lightning' }, model);
    expect(fast).toMatchObject({ speed: 'lightning', samplingSteps: 2, guidance: 1, scheduler: null });
    expect(withOptions(start, { speed: 'lightning', sampling_steps: 5 }, model).samplingSteps).toBe(5);
    expect(withOptions(fast, { speed: 'none' }, model)).toEqual(start);
    expect(() => checkDrawing(fast, model)).not.toThrow();
    expect(() => checkDrawing({ ...fast, speed: 'hyper' }, model)).toThrow(/Choose lightning, or none/);
    expect(withOptions(fast, { speed: 'lightning', guidance: 2 }, model)).toEqual({ ...fast, guidance: 2 });
  });
});

it('a model for few steps starts with its own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'krona-few-'));
  const lcm = modelCard(await openModel(await writeDistilled('lcm', join(folder, 'lcm'))));
  expect(startingSettings({ ...lcm, nativeSize: 512 })).toMatchObject({ samplingSteps: 4, guidance: 8 });
  const turbo = modelCard({ ...(await openModel(tinyFolder('sd21'))), name: 'sd-turbo' });
  expect(startingSettings(turbo)).toMatchObject({ samplingSteps: 4, guidance: 1 });
  expect(modelCard(await openModel(tinyFolder('sd15'))).fewSteps).toBeUndefined();
  await rm(folder, { recursive: true });
});
