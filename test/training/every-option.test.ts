/** Training with every option at once: what another implementation can follow, and the same file after a kill. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, readTensor } from '../../gpu-worker/models/safetensors.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { TINY_MODEL, worstError } from '../helpers/fixtures.ts';
import { everyOption, makePhotos, tinyRun } from '../helpers/tiny-run.ts';

/** Several graphs are compiled, class pictures drawn: patience on a busy machine, ms. */
const LONG = 900_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-options-'));
});
afterAll(() => rm(folder, { recursive: true }));

const FOLLOWED = join(import.meta.dirname, '../fixtures/every-option-trace.safetensors');
const numbers = (data: object) => Float64Array.from(data as Iterable<number | bigint>, Number);

const own = (name: string) => join(folder, `${name}.safetensors`);

describe('a run with every option', () => {
  it(
    'records what another implementation needs, keeps its class pictures, and resumes after a kill to the same file',
    async () => {
      const options = { ...(await everyOption(join(folder, 'photos'), own('whole'))), trace: own('trace') };
      const whole = await trainAdapter(options);
      const { tensors, metadata } = await openSafetensors(options.trace);
      const shape = (name: string) => tensors.get(name)!.shape;
      // Two sizes, each photo as often as any other; as many class pictures as photos in each batch.
      const sizes = Array.from({ length: 12 }, (_, n) => shape(`latents.${n}`).join('x'));
      expect(sizes.filter((size) => size === '2x4x4x4')).toHaveLength(4);
      expect(sizes.filter((size) => size === '2x4x3x5')).toHaveLength(8);
      for (let n = 0; n < 12; n++) {
        const [rows, , h, w] = shape(`latents.${n}`);
        expect([shape(`weights.${n}`), shape(`strengths.${n}`)]).toEqual([[rows, 1, h, w], [rows]]);
        const t = (await readTensor(tensors.get(`timesteps.${n}`)!)) as BigInt64Array;
        const strengths = (await readTensor(tensors.get(`strengths.${n}`)!)) as Float32Array;
        for (const [row, strength] of strengths.entries())
          expect(strength).toBeCloseTo(1 - 0.5 * (Number(t[row]) / 1000), 6);
      }
      // The run that torch has followed (test/fixtures/check-trace.py).
      const followed = await openSafetensors(FOLLOWED);
      expect(metadata).toEqual(followed.metadata);
      expect([...tensors.keys()].sort()).toEqual([...followed.tensors.keys()].sort());
      for (const [name, stored] of followed.tensors) {
        const [found, wanted] = [await readTensor(tensors.get(name)!), await readTensor(stored)];
        // Class pictures have 8 bits: where a processor sums in another order, a pixel can be a level off.
        const tolerance = /^(factors|latents|loss)/.test(name) ? 1e-3 : 1e-4;
        expect(worstError(numbers(found), numbers(wanted)), name).toBeLessThan(tolerance);
      }

      const kept = join(options.prior!.folder, (await readdir(options.prior!.folder))[0]!);
      expect((await readdir(kept)).sort()).toEqual(['00000.png', '00001.png']);
      const drawn = (await stat(join(kept, '00000.png'))).mtimeMs;

      const kill = new AbortController();
      const disturbed = { ...options, trace: null, out: own('disturbed'), checkpointEvery: 2 };
      const hooks = {
        signal: kill.signal,
        onProgress: ({ step }: { step: number }) => step === 3 && kill.abort(new Error('killed')),
      };
      await expect(trainAdapter(disturbed, hooks)).rejects.toThrow('killed');
      const resumed = await trainAdapter({ ...disturbed, resume: true });
      expect(await readFile(resumed.adapter)).toEqual(await readFile(whole.adapter));
      expect(resumed.loss).toEqual(whole.loss);
      expect((await stat(join(kept, '00000.png'))).mtimeMs).toBe(drawn);
    },
    LONG,
  );
});

describe('strength by timestep', () => {
  it(
    'is in the file, and drawing applies less of the adapter at high noise',
    async () => {
      const photos = await makePhotos(join(folder, 'plain'), 2);
      const options = { ...tinyRun(photos, own('faded')), steps: 3, noiseStrength: 0.25 };
      await trainAdapter(options);
      const painter = await TextToImage.open(TINY_MODEL);
      try {
        const faded = await painter.readAdapter(options.out);
        expect(faded.noiseStrength).toBe(0.25);
        const constant = { layers: faded.layers, strength: 1 };
        const draw = (adapter: typeof faded) =>
          painter.denoise({
            prompt: 'a photo of sks dog',
            negative: null,
            adapter,
            // One step, at the last timestep that there is.
            steps: 1,
            guidance: 1,
            scheduler: 'ddim',
            width: 32,
            height: 32,
            seed: 1,
            count: 1,
            noise: 'krona',
          });
        const found = await draw(faded);
        // The first of ddim's timesteps with one step and an offset of 1.
        const strength = 1 - 0.75 * (1 / 1000);
        expect(found).toEqual(await draw({ ...constant, strength }));
        expect(found).not.toEqual(await draw(constant));
      } finally {
        await painter.release();
      }
    },
    LONG,
  );

  it('is refused when rows of a batch share weights', async () => {
    const options = { ...tinyRun(['none.png'], own('never'), 'full'), noiseStrength: 0.5 };
    await expect(trainAdapter(options)).rejects.toMatchObject({ code: 'NOISE_STRENGTH_UNSUPPORTED' });
  });
});
