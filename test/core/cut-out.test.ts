import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { cutOut, withoutBackground, type RgbPicture } from '../../core/pictures/cut-out.ts';
import { sprite } from '../bot/world.ts';
import { randomNumbers } from '../commands/helpers.ts';

const SIDE = 128;

async function picture(name: string, background: string, grain = 0): Promise<RgbPicture> {
  const { data } = await sharp(await sprite(name, background, SIDE))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const random = randomNumbers(1);
  const pixels = Uint8Array.from(data, (value) =>
    Math.max(0, Math.min(255, value + Math.round(grain * (2 * random() - 1)))),
  );
  return { width: SIDE, height: SIDE, pixels };
}

/** What the drawing covers, from drawing it on two colours. */
async function truth(name: string): Promise<boolean[]> {
  const [black, white] = [await picture(name, '#000'), await picture(name, '#fff')];
  return Array.from({ length: SIDE * SIDE }, (_, at) => white.pixels[3 * at]! - black.pixels[3 * at]! < 128);
}

describe('a drawing on one colour', () => {
  it.each([
    ['dog-face', '#2d69e1', 0],
    ['rocket', '#28963c', 0],
    ['pizza', '#f8f8f8', 8],
    ['octopus', '#232323', 8],
  ])('%s on %s is cut out along its outline', async (name, background, grain) => {
    const cut = cutOut(await picture(name, background, grain))!;
    const expected = await truth(name);
    let [both, either] = [0, 0];
    expected.forEach((inside, at) => {
      const found = cut.alpha[at]! >= 128;
      if (inside && found) both++;
      if (inside || found) either++;
    });
    expect(both / either).toBeGreaterThan(0.93);
  });

  it('keeps no fringe of the old background on a new one', async () => {
    const drawn = await picture('dog-face', '#00ff00');
    const rgba = withoutBackground(drawn, cutOut(drawn)!);
    let green = 0;
    for (let at = 0; at < SIDE * SIDE; at++) {
      const [r, g, b, a] = rgba.subarray(4 * at, 4 * at + 4);
      if (a! > 200 && g! > r! + 60 && g! > b! + 60) green++;
    }
    expect(green).toBeLessThan(SIDE / 4);
  });

  it('removes stains of the background, and keeps a second object', () => {
    const pixels = new Uint8Array(3 * 20 * 20).fill(250);
    const fill = (x0: number, y0: number, side: number, value: number) => {
      for (let y = y0; y < y0 + side; y++)
        for (let x = x0; x < x0 + side; x++) pixels.fill(value, 3 * (20 * y + x), 3 * (20 * y + x) + 3);
    };
    fill(3, 3, 8, 30);
    fill(14, 3, 3, 215);
    fill(14, 14, 2, 30);
    const { alpha } = cutOut({ width: 20, height: 20, pixels })!;
    expect(alpha[20 * 6 + 6]).toBe(255);
    expect(alpha[20 * 4 + 15]).toBe(0);
    expect(alpha[20 * 14 + 14]).toBe(255);
  });

  it('keeps enclosed areas of the background’s colour', () => {
    const pixels = new Uint8Array(3 * 9 * 9).fill(250);
    const set = (x: number, y: number) => pixels.fill(20, 3 * (9 * y + x), 3 * (9 * y + x) + 3);
    for (let i = 2; i <= 6; i++)
      for (const [x, y] of [
        [i, 2],
        [i, 6],
        [2, i],
        [6, i],
      ] as const)
        set(x, y);
    const { alpha } = cutOut({ width: 9, height: 9, pixels })!;
    expect(alpha[9 * 4 + 4]).toBe(255);
    expect(alpha[0]).toBe(0);
  });
});

it('a picture without a plain border is not cut out', () => {
  const random = randomNumbers(7);
  const pixels = Uint8Array.from({ length: 3 * 32 * 32 }, () => Math.floor(256 * random()));
  expect(cutOut({ width: 32, height: 32, pixels })).toBeNull();
});
