/**
 * Adapters train on SD 1.x, SD 2.x with v-prediction and the refiner: losses and gradients are those of torch autograd on
 * W + scale·kron(A, B), and a whole run ends in a file that draws.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { openTiny, readReference, tinyFolder } from '../helpers/sd-fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';
import { expectTorchGradient } from '../helpers/torch-gradient.ts';
import { someOf } from '../helpers/variations.ts';

const GRADIENTS = [
  { name: 'sd15', form: 'folder', checkpointing: false },
  { name: 'sd21', form: 'single file', checkpointing: true },
  { name: 'refiner', form: 'folder', checkpointing: false },
  { name: 'sd15', form: 'folder', checkpointing: true },
  { name: 'sd15', form: 'single file', checkpointing: false },
  { name: 'sd21', form: 'folder', checkpointing: false },
] as const;

describe.each(someOf(GRADIENTS, 3))(
  '$name from a $form, checkpointing $checkpointing',
  ({ name, form, checkpointing }) => {
    it("has torch's loss, and its gradient with respect to every factor", async () => {
      const model = await openTiny(name, form);
      const { tensor, facts } = await readReference(name);
      const schedule = noiseSchedule(model.scheduler);
      expect(schedule.prediction).toBe(name === 'sd21' ? 'v_prediction' : 'epsilon');
      const torch = {
        ...{ a1: 4, a2: 2, strength: facts.scale, pooled: name === 'refiner' },
        at: (key: string) => tensor(`kronecker.${key}`),
      };
      await expectTorchGradient(model, schedule, torch, checkpointing);
    });
  },
);

describe('a whole run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-sd-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(someOf(['sd21', 'refiner', 'sd15'] as const, 2))(
    'on %s produces an adapter that changes its pictures',
    async (name) => {
      const photos = await makePhotos(join(folder, 'photos'), 2);
      const out = join(folder, `${name}.safetensors`);
      const result = await trainAdapter({ ...tinyRun(photos, out), model: tinyFolder(name), steps: 3 });
      expect(result.loss).toHaveLength(3);
      expect(result.loss.every(Number.isFinite)).toBe(true);
      const engine = await TextToImage.open(tinyFolder(name));
      const adapter = await engine.readAdapter(out);
      expect(adapter.layers.size).toBe(attentionProjections(engine.model.unet.config).length);
      const draw = (strength: number) =>
        engine.denoise({
          prompt: 'a photo of sks dog',
          negative: null,
          adapter: { ...adapter, strength },
          steps: 2,
          guidance: 3,
          scheduler: null,
          width: 32,
          height: 32,
          seed: 1,
          count: 1,
          noise: 'krona',
        });
      const [without, with_] = [await draw(0), await draw(1)];
      expect(without.every(Number.isFinite)).toBe(true);
      expect(Math.max(...with_.map((x, i) => Math.abs(x - without[i]!)))).toBeGreaterThan(1e-4);
      await engine.release();
    },
  );
});
