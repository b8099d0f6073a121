import sharp from 'sharp';
import { expect, it } from 'vitest';
import { emojiOf } from '../../core/pictures/emoji.ts';
import { sprite } from '../bot/world.ts';

it("fits the platforms' emoji limits, for any picture size", async () => {
  for (const side of [64, 128, 512]) {
    const { png, transparent } = await emojiOf(await sprite('rocket', '#f0d020', side));
    expect(transparent).toBe(true);
    expect(await sharp(png).metadata()).toMatchObject({ width: 128, height: 128, hasAlpha: true });
    expect(png.length).toBeLessThan(128_000);
  }
});

it('is cut out of at most 512 pixels a side, as others wait for the bot meanwhile', async () => {
  const large = await sprite('rocket', '#f0d020', 2048);
  const small = await sharp(large).resize(512, 512).png().toBuffer();
  expect((await emojiOf(large)).png).toEqual((await emojiOf(small)).png);
});

it('keeps a background of several colours, and says so', async () => {
  const noise = await sharp({
    create: {
      width: 96,
      height: 96,
      channels: 3,
      noise: { type: 'gaussian', mean: 128, sigma: 80 },
      background: '#000',
    },
  })
    .png()
    .toBuffer();
  const { png, transparent } = await emojiOf(noise);
  expect(transparent).toBe(false);
  expect(await sharp(png).metadata()).toMatchObject({ width: 128, height: 128 });
  expect(png.length).toBeLessThan(128_000);
});

it('leaves a picture of only background as it is', async () => {
  const plain = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#123456' } })
    .png()
    .toBuffer();
  expect((await emojiOf(plain)).transparent).toBe(false);
});

it('shows a wide picture with a busy background in full', async () => {
  const half = (background: string) => ({
    create: { width: 40, height: 40, channels: 3 as const, background },
  });
  // Thirds of different colours: what is cut off is missed.
  const wide = await sharp({ create: { width: 120, height: 40, channels: 3, background: '#00ff00' } })
    .composite([
      { input: half('#ff0000'), left: 0, top: 0 },
      { input: half('#0000ff'), left: 80, top: 0 },
    ])
    .png()
    .toBuffer();
  const { png } = await emojiOf(wide);
  const { data } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray(4 * (128 * y + x), 4 * (128 * y + x) + 4)];
  expect(at(4, 64)).toEqual([255, 0, 0, 255]);
  expect(at(124, 64)).toEqual([0, 0, 255, 255]);
  expect(at(64, 4)[3]).toBe(0);
});
