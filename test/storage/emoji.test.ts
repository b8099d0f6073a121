import sharp from 'sharp';
import { expect, it } from 'vitest';
import { emojiOf } from '../../storage/pictures/emoji.ts';
import { sprite } from '../bot/world.ts';

it('fits what chats take for an emoji, whatever the size of the picture', async () => {
  for (const side of [64, 128, 512]) {
    const { png, transparent } = await emojiOf(await sprite('rocket', '#f0d020', side));
    expect(transparent).toBe(true);
    expect(await sharp(png).metadata()).toMatchObject({ width: 128, height: 128, hasAlpha: true });
    expect(png.length).toBeLessThan(128_000);
  }
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

it('takes a picture of nothing but background as it is', async () => {
  const plain = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#123456' } })
    .png()
    .toBuffer();
  expect((await emojiOf(plain)).transparent).toBe(false);
});
