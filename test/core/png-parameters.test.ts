/** The text chunk with a picture's settings: read again as others read it, and the picture is the same. */
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { encodePng } from '../../core/pictures/encode.ts';
import { parametersText, withParameters } from '../../core/pictures/png-parameters.ts';

const FACTS = {
  prompt: 'a (red:1.2) fox',
  negative: 'snow',
  steps: 20,
  scheduler: 'euler_a',
  guidance: 7.5,
  seed: 5,
  width: 64,
  height: 48,
  model: 'krona-emoji',
  change: null,
} as const;

it("has AUTOMATIC1111's words", () => {
  expect(parametersText(FACTS)).toBe(
    'a (red:1.2) fox\nNegative prompt: snow\n' +
      'Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 5, Size: 64x48, Model: krona-emoji, Version: Krona',
  );
  expect(parametersText({ ...FACTS, negative: null, scheduler: null, change: 0.6 })).toBe(
    'a (red:1.2) fox\n' +
      'Steps: 20, CFG scale: 7.5, Seed: 5, Size: 64x48, Model: krona-emoji, Denoising strength: 0.6, Version: Krona',
  );
});

it.each(['a fox', 'é ñ ÿ\nSteps: 1', '狐 🦊\nSteps: 1'])('is read by decoders: %s', async (text) => {
  const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => i);
  const plain = await encodePng({ width: 8, height: 8, pixels });
  const file = withParameters(plain, text);
  // Decodes strictly: a wrong checksum fails.
  const { data } = await sharp(file, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true });
  expect(data).toEqual(Buffer.from(pixels));
  const { comments } = await sharp(file).metadata();
  expect(comments?.find(({ keyword }) => keyword.startsWith('parameters'))?.text).toBe(text);
});
