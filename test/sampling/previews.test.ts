/** Previews show what a picture becomes: by a linear map of the latents, or by a tiny decoder. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from '../../core/at.ts';
import { embeddedModel } from '../../core/package.ts';
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
