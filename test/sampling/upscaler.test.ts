/** Pictures are enlarged as TensorFlow.js does it with the same network, in windows of any size, and stay transparent. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Raster } from '../../gpu-worker/sampling/upscaling/raster.ts';
import { Upscaler } from '../../gpu-worker/sampling/upscaling/upscaler.ts';
import { windowsOver } from '../../gpu-worker/sampling/upscaling/windows.ts';

interface Reference {
  readonly width: number;
  readonly height: number;
  readonly picture: readonly number[];
  readonly x2: readonly number[];
  readonly x4: readonly number[];
}
const reference = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/esrgan/reference.json'), 'utf8'),
) as Reference;
const { width, height } = reference;
const picture: Raster = { width, height, channels: 3, pixels: Uint8Array.from(reference.picture) };

const upscaler = new Upscaler();
afterAll(() => upscaler.release());

/** The picture, `times` next to itself. */
function widened(times: number): Raster {
  const pixels = new Uint8Array(3 * width * times * height);
  for (let y = 0; y < height; y++)
    for (let n = 0; n < times; n++)
      pixels.set(picture.pixels.subarray(3 * width * y, 3 * width * (y + 1)), 3 * width * (times * y + n));
  return { ...picture, width: width * times, pixels };
}

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe.each([2, 4] as const)('%s times', (scale) => {
  it('equals TensorFlow.js', async () => {
    const enlarged = await upscaler.enlarge(picture, scale);
    expect(enlarged).toMatchObject({ width: width * scale, height: height * scale, channels: 3 });
    const wanted = reference[`x${scale}`].map((value) => Math.min(255, Math.max(0, value)));
    expect(enlarged.pixels).toHaveLength(wanted.length);
    // Rounded to whole numbers.
    expect(worst(enlarged.pixels, wanted)).toBeLessThan(0.51);
  });

  it('shows no windows', async () => {
    const wide = widened(3);
    const whole = await upscaler.enlarge(wide, scale, { side: 3 * width });
    const parts = await upscaler.enlarge(wide, scale, { side: 33 });
    expect(worst(parts.pixels, whole.pixels)).toBeLessThanOrEqual(1);
  });
});

it('windows cover each place once, with all that it depends on', () => {
  for (const [length, window] of [
    [100, 30],
    [61, 61],
    [62, 61],
    [41, 21],
  ] as const) {
    const spans = windowsOver(length, window, 10);
    expect(spans.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))).toEqual(
      Array.from({ length }, (_, i) => i),
    );
    for (const { start, from, to } of spans) {
      expect(start === 0 || from - start >= 10, `${length} ${window}`).toBe(true);
      expect(start + window === length || start + window - to >= 10, `${length} ${window}`).toBe(true);
    }
  }
});

it('what is transparent stays so, and its hidden black does not darken the edge', async () => {
  const [side, radius] = [40, 12];
  const pixels = new Uint8Array(4 * side * side);
  const distance = (x: number, y: number, size: number) => Math.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5);
  for (let i = 0; i < side * side; i++)
    if (distance(i % side, Math.floor(i / side), side) < radius) pixels.set([250, 200, 30, 255], 4 * i);
  const big = await upscaler.enlarge({ width: side, height: side, channels: 4, pixels }, 2);
  expect([big.width, big.height, big.channels]).toEqual([80, 80, 4]);
  for (let i = 0; i < 80 * 80; i++) {
    const [red, green, blue, alpha] = big.pixels.subarray(4 * i, 4 * i + 4) as unknown as number[];
    const far = distance(i % 80, Math.floor(i / 80), 80);
    if (far > 2 * radius + 4) expect(alpha).toBe(0);
    if (far < 2 * radius - 4) expect(alpha).toBe(255);
    if (alpha! > 127) expect(worst([red!, green!, blue!], [250, 200, 30])).toBeLessThan(25);
  }
});

it('stops when it is cancelled', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(upscaler.enlarge(picture, 2, { signal })).rejects.toThrow('enough');
});
