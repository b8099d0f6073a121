/** Whole pictures equal those of diffusers' StableDiffusionXLPipeline for the same model, prompt, seed and scheduler. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDecoder } from '../../gpu-worker/models/autoencoder.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { readFixture, TINY_MODEL, worstError } from '../helpers/fixtures.ts';

interface RunCase {
  readonly name: string;
  readonly scheduler: SchedulerName;
  readonly config: Readonly<Record<string, unknown>>;
  readonly prompt: string;
  readonly negative_prompt: string | null;
  readonly seed: number;
}

const { cases } = (await readFixture<{ cases: RunCase[] }>('runs')).facts;

let engine: TextToImage;
beforeAll(async () => {
  engine = await TextToImage.open(TINY_MODEL);
});
afterAll(() => engine.release());

const request: DrawRequest = {
  prompt: 'a cat',
  negative: null,
  adapter: null,
  steps: 10,
  guidance: 5,
  scheduler: null,
  width: 64,
  height: 32,
  seed: 7,
  count: 2,
  noise: 'torch',
};

describe('text to image', () => {
  it.each(cases)(
    '$name draws what diffusers draws',
    async ({ name, scheduler, config, prompt, negative_prompt, seed }) => {
      const { tensor } = await readFixture('runs');
      // The fixture's own scheduler config takes the place of the folder's.
      Object.assign(engine, { model: { ...engine.model, scheduler: config } });
      const latents = await engine.denoise({
        ...request,
        prompt,
        negative: negative_prompt,
        seed,
        scheduler,
      });
      expect(worstError(latents, tensor(`${name}.latents`).data)).toBeLessThan(1e-4);
      const decoder = await openDecoder(engine.model, 64, 32);
      const picture = await decoder.decode(latents.subarray(0, latents.length / 2));
      const expected = tensor(`${name}.image`).data;
      expect(worstError(picture, expected.subarray(0, expected.length / 2))).toBeLessThan(1e-3);
      await decoder.release();
    },
  );

  it("gives a seed's n-th picture also in a larger set", async () => {
    const one = await engine.draw({ ...request, noise: 'krona', count: 1, scheduler: 'ddim', steps: 2 });
    const two = await engine.draw({ ...request, noise: 'krona', count: 2, scheduler: 'ddim', steps: 2 });
    const difference = one[0]!.pixels.reduce(
      (worst, x, i) => Math.max(worst, Math.abs(x - two[0]!.pixels[i]!)),
      0,
    );
    expect(difference).toBeLessThanOrEqual(1);
    expect(Buffer.from(two[0]!.pixels).equals(Buffer.from(two[1]!.pixels))).toBe(false);
  });

  it("refuses sizes that the latents can't have", async () => {
    await expect(engine.draw({ ...request, width: 65 })).rejects.toMatchObject({ code: 'SIZE_INVALID' });
  });
});
