import { beforeAll, expect, it } from 'vitest';
import type { PretrainData } from '../../../lab/pretrain/concepts.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import { isHeldOutHue } from '../../../lab/pretrain/held-out.ts';
import { dominantHue, HUES, otherHues, recoloured } from '../../../lab/pretrain/recolour.ts';
import { prepareArt, sampleCaptions, sampleExample } from '../../../lab/pretrain/sampler.ts';
import type { Sprite, SpriteSheet } from '../../../lab/pretrain/sprites.ts';
import { sharedSprites } from '../../helpers/shared-sprites.ts';

let data: PretrainData;
let sheet: SpriteSheet;

beforeAll(async () => {
  data = await readPretrainData();
  sheet = await sharedSprites(data);
});

const flat = (word: string): Sprite =>
  sheet.sprites[data.concepts.findIndex((concept) => concept.word === word)]![0]!;

/** Mean colour of what is visible. */
function meanColour({ levels }: Sprite): number[] {
  const [pixels] = levels;
  const sums = [0, 0, 0, 0];
  for (let at = 0; at < pixels!.length; at++) sums[at % 4]! += pixels![at]!;
  return sums.slice(0, 3).map((sum) => (255 * sum) / sums[3]!);
}

it('finds the dominant hue of a drawing, if it has one', () => {
  expect(Math.abs(dominantHue(flat('heart'))! - 351)).toBeLessThan(8);
  expect(Math.abs(dominantHue(flat('frog'))! - 90)).toBeLessThan(20);
  for (const grey of ['skull', 'panda', 'ghost']) expect(dominantHue(flat(grey)), grey).toBeNull();
});

it('changes that hue and keeps the outline', () => {
  const heart = flat('heart');
  const blue = recoloured(
    heart,
    dominantHue(heart)!,
    HUES.find(({ name }) => name === 'blue')!,
  );
  const [r, , b] = meanColour(blue) as [number, number, number];
  expect(b).toBeGreaterThan(2 * r);
  heart.levels.forEach((pixels, level) => {
    for (let at = 3; at < pixels.length; at += 4) expect(blue.levels[level]![at]).toBe(pixels[at]);
  });
  expect(otherHues(dominantHue(heart)!).map(({ name }) => name)).not.toContain('red');
});

it('is named in the caption, never on its own colour, and never held out', () => {
  const placement = { ...data.placement, recolours: 1, pairs: 0, places: 0 };
  const captions = { empty: 0, short: 0, synonym: 0 };
  const art = prepareArt({ ...data, placement, captions }, sheet.sprites);
  let count = 0;
  for (let index = 0; index < 3000; index++) {
    const { caption, hue, concept, background } = sampleExample(art, 3, index);
    expect(sampleCaptions(art, 3, index, 1)).toEqual([caption]);
    if (hue === null) continue;
    count++;
    expect(caption).toContain(`${hue} `);
    expect(data.backgrounds[background!]!.name).not.toBe(hue);
    expect(isHeldOutHue(data, data.concepts[concept]!, hue)).toBe(false);
  }
  expect(count).toBeGreaterThan(1500);
});
