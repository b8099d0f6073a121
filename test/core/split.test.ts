/** Subjects stand where the words of a prompt say, and each gets the prompt in which it comes first. */
import { describe, expect, it } from 'vitest';
import { splitPlaces, splitRegions } from '../../core/prompts/split.ts';

const LEFT = { left: 0, top: 0, right: 0.5, bottom: 1 };
const RIGHT = { left: 0.5, top: 0, right: 1, bottom: 1 };
const TOP = { left: 0, top: 0, right: 1, bottom: 0.5 };
const BOTTOM = { left: 0, top: 0.5, right: 1, bottom: 1 };

describe('regions', () => {
  it.each([
    ['mochi and rex', [LEFT, RIGHT]],
    ['mochi next to rex on a red background', [LEFT, RIGHT]],
    ['mochi to the right of rex', [RIGHT, LEFT]],
    ['mochi on the right and rex on the left', [RIGHT, LEFT]],
    ['mochi on the left, rex on the right', [LEFT, RIGHT]],
    ['mochi above rex', [TOP, BOTTOM]],
    ['mochi under rex', [BOTTOM, TOP]],
    ['mochi at the bottom and rex at the top', [BOTTOM, TOP]],
    ['an overgrown garden with mochi and rex', [LEFT, RIGHT]],
  ])('%s', (prompt, regions) => {
    expect(splitRegions(prompt, 2, 'auto')).toEqual(regions);
  });

  it('as asked, whatever the words say', () => {
    expect(splitRegions('mochi under rex', 2, 'left-right')).toEqual([LEFT, RIGHT]);
    expect(splitRegions('mochi and rex', 2, 'top-bottom')).toEqual([TOP, BOTTOM]);
    expect(splitRegions('mochi and rex', 2, 'none')).toBeNull();
    expect(splitRegions('mochi', 1, 'auto')).toBeNull();
    expect(splitRegions('a, b and c', 3, 'auto')!.map(({ left }) => Math.round(left * 3))).toEqual([0, 1, 2]);
  });
});

describe('places', () => {
  it('follow the first mentions, not the order of adapters; each subject comes first in its own prompt', () => {
    const prompt = 'a (zqkv cat:1.2) above a wbrx dog, the wbrx dog asleep';
    expect(splitPlaces(prompt, ['wbrx dog', 'zqkv cat'], 'auto')).toEqual([
      {
        region: BOTTOM,
        first: { prompt: 'a (wbrx dog:1.2) above a zqkv cat, the zqkv cat asleep', region: TOP },
      },
      { region: TOP, first: { prompt, region: TOP } },
    ]);
  });

  it('three subjects rotate', () => {
    const places = splitPlaces('aa cat, bb dog and cc fox', ['aa cat', 'bb dog', 'cc fox'], 'auto')!;
    expect(places.map(({ first }) => first!.prompt)).toEqual([
      'aa cat, bb dog and cc fox',
      'bb dog, cc fox and aa cat',
      'cc fox, aa cat and bb dog',
    ]);
  });

  it('one that the prompt does not name has a region only', () => {
    expect(splitPlaces('a zqkv cat', [null, 'zqkv cat'], 'auto')).toEqual([
      { region: RIGHT },
      { region: LEFT },
    ]);
  });
});
