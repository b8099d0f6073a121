import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inspectSampling } from '../../gpu-worker/sampling/inspect-sampling.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-scheduler-'));
  await cp(TINY_MODEL, folder, { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

async function check(scheduler: string) {
  await writeFile(join(folder, 'scheduler/scheduler_config.json'), scheduler);
  return inspectSampling(folder);
}

it('passes a model with a supported scheduler, also with numbers as Python writes them', async () => {
  const config = '{"_class_name": "DEISMultistepScheduler", "lambda_min_clipped": -Infinity}';
  expect(await check(config)).toMatchObject({ ok: true, problems: [] });
});

it('says which scheduler replaces an unsupported one', async () => {
  const { ok, problems } = await check('{"_class_name": "SASolverScheduler", "beta_schedule": "linear"}');
  expect(ok).toBe(true);
  expect(problems).toMatchObject([
    { code: 'SCHEDULER_UNSUPPORTED', message: expect.stringMatching(/SASolver.*euler/) as string },
  ]);
});

it('fails a model whose noise levels are unknown', async () => {
  const { ok, problems } = await check('{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3}');
  expect(ok).toBe(false);
  expect(problems.map(({ code }) => code)).toEqual(['MODEL_CONFIG_UNSUPPORTED']);
});

it('runs the model once a step with guidance 1, whatever the negative prompt', async () => {
  const model = await TextToImage.open(TINY_MODEL);
  const draw = (negative: string) =>
    model.denoise({
      prompt: 'a cat',
      negative,
      adapter: null,
      steps: 2,
      guidance: 1,
      scheduler: 'tcd',
      width: 32,
      height: 32,
      seed: 3,
      count: 1,
      noise: 'torch',
    });
  expect(await draw('a dog')).toEqual(await draw('a house'));
  await model.release();
});
