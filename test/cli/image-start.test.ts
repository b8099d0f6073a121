/** A picture to start from is seen as training sees a photo: on white, whatever is hidden under its transparency. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { imageStart, steerOf } from '../../cli/image-start.ts';
import { fromBytes } from '../../core/pictures/rgb-bytes.ts';
import type { DrawnPicture, DrawRequest, TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { loadPhoto } from '../../gpu-worker/training/photos.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-start-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Red on the left; hidden black on the right, with a half transparent column between. */
function picture(): Sharp {
  const pixels = Buffer.alloc(48 * 32 * 4);
  for (let i = 0; i < 48 * 32; i++) {
    const x = i % 48;
    pixels.set(x < 23 ? [220, 30, 40, 255] : x === 23 ? [220, 30, 40, 128] : [0, 0, 0, 0], i * 4);
  }
  return sharp(pixels, { raw: { width: 48, height: 32, channels: 4 } });
}

it.each([
  ['PNG', (image: Sharp) => image.png()],
  ['PNG with a palette', (image: Sharp) => image.png({ palette: true })],
  ['PNG of 16 bits', (image: Sharp) => image.toColourspace('rgb16').png()],
  ['grey PNG', (image: Sharp) => image.toColourspace('b-w').png()],
  ['WebP', (image: Sharp) => image.webp({ lossless: true, exact: true })],
  ['GIF', (image: Sharp) => image.gif()],
  ['TIFF', (image: Sharp) => image.tiff({ compression: 'lzw' })],
])('%s', async (name, encode) => {
  const path = join(folder, name);
  await encode(picture()).toFile(path);
  let seen: DrawnPicture | undefined;
  const painter = {
    startFrom: (given: DrawnPicture) => {
      seen = given;
      return Promise.resolve({ latents: new Float32Array(1), strength: 0.5 });
    },
  } as unknown as TextToImage;
  const request = { width: 96, height: 64, count: 1, noise: 'krona' } as DrawRequest;
  await imageStart(painter, request, { path, strength: 0.5 }, { draw: () => new Float32Array() });
  const { pixels } = await loadPhoto(path, 96, 64);
  const found = fromBytes(seen!.pixels);
  expect(found).toHaveLength(pixels.length);
  const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - pixels[i]!)), 0);
  expect(worst).toBeLessThan(20 / 127.5);
  // White in the corner.
  expect(found[95]).toBe(1);
});

it('cuts pictures to be like and unlike to the size that is drawn, and keeps them apart', async () => {
  const wide = join(folder, 'wide.png');
  await sharp({ create: { width: 90, height: 30, channels: 3, background: 'blue' } })
    .composite([
      { input: { create: { width: 30, height: 30, channels: 3, background: 'red' } }, left: 30, top: 0 },
    ])
    .png()
    .toFile(wide);
  const white = join(folder, 'white.png');
  await sharp({ create: { width: 40, height: 40, channels: 3, background: 'white' } })
    .png()
    .toFile(white);
  const painter = {
    latentsOf: ({ pixels }: DrawnPicture) => Promise.resolve(Float32Array.from(pixels)),
  } as unknown as TextToImage;
  const { liked, disliked } = await steerOf(
    painter,
    { width: 32, height: 32 } as DrawRequest,
    [wide],
    [white, wide],
  );
  expect([liked.length, disliked.length]).toEqual([1, 2]);
  // The middle of the wide picture.
  const centre = 3 * (16 * 32 + 16);
  expect([...liked[0]!.subarray(centre, centre + 3)]).toEqual([255, 0, 0]);
  expect(liked[0]!.every((value, i) => i % 3 !== 2 || value < 140)).toBe(true);
  expect(disliked[0]!.every((value) => value === 255)).toBe(true);
  expect(disliked[1]).toEqual(liked[0]);
});
