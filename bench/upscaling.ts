/**
 * @file Enlargement by networks beside bicubic: drawings made smaller, and enlarged again.
 *
 *   npx tsx bench/upscaling.ts [--picture docs/images/drawing-upscale.png]
 *
 * Prints the table of docs/drawing.md and, with `--picture`, draws its picture.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { Upscaler } from '../gpu-worker/sampling/upscaling/upscaler.ts';

const { values } = parseArgs({ options: { picture: { type: 'string' } } });
const FOLDER = join(import.meta.dirname, '../lab/evaluate/mascots');
const SIDE = 512;
const SHOWN = 'momo.svg';
const GROUND = '#cfe3f7';
const raw = (side: number) => ({ raw: { width: side, height: side, channels: 3 as const } });
const resized = (pixels: Uint8Array, from: number, to: number) =>
  sharp(pixels, raw(from)).resize(to, to, { kernel: 'cubic', fit: 'fill' }).raw().toBuffer();

/** Peak signal-to-noise ratio, dB. */
const ratio = (a: Uint8Array, b: Uint8Array): number =>
  10 * Math.log10(255 ** 2 / (a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length));
const mean = (numbers: readonly number[]): string =>
  (numbers.reduce((sum, x) => sum + x, 0) / numbers.length).toFixed(1);

const upscaler = new Upscaler();
console.log('| enlarged | bicubic | network |\n| --- | --- | --- |');
for (const scale of [2, 4] as const) {
  const [bicubic, network]: [number[], number[]] = [[], []];
  for (const name of await readdir(FOLDER)) {
    const drawing = sharp(join(FOLDER, name), { density: 600 });
    const whole = await drawing
      .resize(SIDE, SIDE, { fit: 'contain', background: GROUND })
      .flatten({ background: GROUND })
      .removeAlpha()
      .raw()
      .toBuffer();
    const side = SIDE / scale;
    const small = await sharp(whole, raw(SIDE)).resize(side, side).raw().toBuffer();
    const smooth = await resized(small, side, SIDE);
    const { pixels } = await upscaler.enlarge(
      { width: side, height: side, channels: 3, pixels: small },
      scale,
    );
    bicubic.push(ratio(smooth, whole));
    network.push(ratio(pixels, whole));
    if (values.picture === undefined || scale !== 4 || name !== SHOWN) continue;
    const cut = { left: 96, top: 64, width: 320, height: 320 };
    const parts = await Promise.all(
      [smooth, pixels, whole].map(async (part, i) => ({
        input: await sharp(part, raw(SIDE)).extract(cut).png().toBuffer(),
        left: 328 * i,
        top: 0,
      })),
    );
    await sharp({ create: { width: 976, height: 320, channels: 3, background: 'white' } })
      .composite(parts)
      .png({ palette: true })
      .toFile(values.picture);
  }
  console.log(`| ${scale} times | ${mean(bicubic)} | ${mean(network)} |`);
}
await upscaler.release();
