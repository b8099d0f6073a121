/** Previews show what a picture becomes: by a linear map of the latents, or by a tiny decoder. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { at } from '../../core/at.ts';
import { embeddedModel } from '../../core/package.ts';
import { encodeSmall } from '../../core/pictures/encode.ts';
import type { EngineWork } from '../../gpu-worker/engine/protocol.ts';
import { StepPreviews } from '../../gpu-worker/engine/step-previews.ts';
import { openTinyAutoencoder } from '../../gpu-worker/models/tiny-autoencoder.ts';
import { Previews } from '../../gpu-worker/sampling/previews.ts';
import { TextToImage, type DrawnPicture, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

const TAESD = join(import.meta.dirname, '../fixtures/distilled/taesd');
const REQUEST: DrawRequest = {
  prompt: 'a cat on a red background',
  negative: null,
  adapter: null,
  steps: 6,
  guidance: 3,
  scheduler: 'dpmpp_2m',
  width: 128,
  height: 128,
  seed: 3,
  count: 1,
  noise: 'krona',
};

describe('of the embedded model', () => {
  let painter: TextToImage;
  const previews: DrawnPicture[] = [];
  let picture: DrawnPicture;
  beforeAll(async () => {
    painter = await TextToImage.open(embeddedModel);
    const drawing = new Previews(painter.model, null);
    const onEstimate = async (latents: Float32Array): Promise<void> => {
      previews.push(await drawing.draw(latents, REQUEST));
    };
    picture = at(await painter.draw(REQUEST, { onEstimate }), 0);
  });
  afterAll(() => painter.release());

  it('there is one a step but the last, of one pixel a latent', () => {
    expect(previews.map(({ width, height, pixels }) => [width, height, pixels.length])).toEqual(
      Array.from({ length: REQUEST.steps - 1 }, () => [16, 16, 3 * 256]),
    );
  });

  it("the later ones have the picture's colours, and come closer to them", () => {
    const target = shrunk(picture, 16);
    const away = previews.map(({ pixels }) => difference(pixels, target));
    expect(at(away, -1)).toBeLessThan(25);
    expect(at(away, -1)).toBeLessThan(at(away, 0));
  });

  it('the pictures are the same without them', async () => {
    expect(at(await painter.draw(REQUEST), 0).pixels).toEqual(picture.pixels);
  });
});

it('a tiny decoder draws them at full size, and is refused for other latents', async () => {
  const tiny = await openTinyAutoencoder(TAESD);
  const { model } = await TextToImage.open(tinyFolder('sd15'));
  const previews = new Previews(model, tiny);
  const drawn = await previews.draw(new Float32Array(4 * 4 * 4).fill(0.5), { width: 32, height: 32 });
  expect([drawn.width, drawn.height, drawn.pixels.length]).toEqual([32, 32, 3 * 32 * 32]);
  await previews.release();
  const other = { ...tiny, config: { ...tiny.config, latent_channels: 16 } };
  expect(() => new Previews(model, other)).toThrow(/decodes 16 channels .* expected 4 at 1\/8/);
});

describe('in a worker', () => {
  const size = { width: 32, height: 32 };
  const estimates = new Float32Array(2 * 4 * 4 * 4).map((_, i) => Math.sin(i));
  let painter: TextToImage;
  /** What is told where the tiny decoder draws, and where the linear map does. */
  let sharp: object;
  let coarse: object;
  beforeAll(async () => {
    painter = await TextToImage.open(tinyFolder('sd15'));
    [sharp, coarse] = (await Promise.all(
      [await openTinyAutoencoder(TAESD), null].map(async (tiny) => {
        const picture = await new Previews(painter.model, tiny).draw(estimates.subarray(0, 64), size);
        return { preview: { place: 0, image: await encodeSmall(picture, 256), unsafe: null } };
      }),
    )) as [object, object];
  });
  afterAll(() => painter.release());

  /** What a worker that begins tells of two pictures when a preview is due. */
  async function told(variable: string, folder: string): Promise<EngineWork['draw']['event'][]> {
    vi.stubEnv(variable, folder);
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const events: EngineWork['draw']['event'][] = [];
      const previews = new StepPreviews((event) => events.push(event), null);
      vi.advanceTimersByTime(1_000);
      const fresh = await TextToImage.open(tinyFolder('sd15'));
      await previews.show(estimates, fresh, { place: 0, count: 2, ...size });
      await previews.show(estimates, fresh, { place: 0, count: 2, ...size });
      await fresh.release();
      return events;
    } finally {
      vi.useRealTimers();
      vi.unstubAllEnvs();
    }
  }

  it('they are drawn by the tiny decoder for this kind of model, one at a time', async () => {
    expect(sharp).not.toEqual(coarse);
    expect(await told('KRONA_TAESD', TAESD)).toEqual([sharp]);
  });

  it('they are coarse without one, and the log says why where the folder has none', async () => {
    expect(await told('KRONA_TAESDXL', TAESD)).toEqual([coarse]);
    const [notice, ...previews] = await told('KRONA_TAESD', '/nowhere/taesd');
    expect(notice).toMatchObject({
      notice: expect.stringMatching(
        /coarse previews only: MODEL_NOT_FOUND: There is no folder taesd/,
      ) as string,
    });
    expect(previews).toEqual([coarse]);
  });
});

/** The mean colour of each block of pixels. */
function shrunk({ width, pixels }: DrawnPicture, side: number): Float64Array {
  const block = width / side;
  const sums = new Float64Array(3 * side * side);
  for (const [i, value] of pixels.entries()) {
    const [pixel, colour] = [Math.floor(i / 3), i % 3];
    const [y, x] = [Math.floor(pixel / width / block), Math.floor((pixel % width) / block)];
    sums[3 * (y * side + x) + colour]! += value / block ** 2;
  }
  return sums;
}

/** Mean absolute difference in grey levels. */
const difference = (a: Uint8Array, b: Float64Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
