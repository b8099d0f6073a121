import { beforeAll, describe, expect, it } from 'vitest';
import { plural } from '../../../lab/pretrain/captions.ts';
import { makeBatch, openBatches } from '../../../lab/pretrain/composite-worker.ts';
import { nounPhrase, type Concept, type PretrainData } from '../../../lab/pretrain/concepts.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import { hashName, isHeldOut } from '../../../lab/pretrain/held-out.ts';
import {
  prepareArt,
  sampleCaptions,
  sampleCrop,
  sampleExample,
  type TrainingArt,
} from '../../../lab/pretrain/sampler.ts';
import type { SpriteSheet } from '../../../lab/pretrain/sprites.ts';
import { sharedSprites } from '../../helpers/shared-sprites.ts';
import { ALL_VARIATIONS } from '../../helpers/variations.ts';

let data: PretrainData;
let sheet: SpriteSheet;
let art: TrainingArt;

const sampleCaption = (from: TrainingArt, seed: number, index: number): string =>
  sampleCaptions(from, seed, index, 1)[0]!;

beforeAll(async () => {
  const whole = await readPretrainData();
  // On plain backgrounds and without filling words; grammar.test.ts has hats, places and the rest.
  const plain = { wearing: 0, sizes: 0, creatures: 0, places: 0, effects: 0 };
  const captions = { ...whole.captions, filler: 0, unknown: 0 };
  data = { ...whole, placement: { ...whole.placement, ...plain }, captions };
  sheet = await sharedSprites(whole);
  art = prepareArt(data, sheet.sprites);
});

/**
 * Finds each concept by every word it is called by; a longer name is read before a shorter one inside it. Plurals are of
 * rows alone: elsewhere "books" is a thing of its own.
 */
function conceptReader(): (caption: string) => number[] {
  const readerOf = (wordsOf: (concept: Concept) => readonly string[]) => {
    const owners = new Map(
      data.concepts.flatMap((concept, index) => wordsOf(concept).map((word) => [word, index] as const)),
    );
    const longestFirst = [...owners.keys()].sort((a, b) => b.length - a.length);
    const pattern = new RegExp(`\\b(${longestFirst.join('|')})(?![\\w-])`, 'g');
    return (caption: string) => [
      ...new Set([...caption.matchAll(pattern)].map(([word]) => owners.get(word)!)),
    ];
  };
  const names = new Set(data.concepts.flatMap(({ word, also = [] }) => [word, ...also]));
  const row = readerOf(({ word }) => [plural(word)]);
  // Where a plural names something else, captions always count.
  const other = readerOf(({ word, also = [] }) => [
    word,
    ...also,
    ...(names.has(plural(word)) ? [] : [plural(word)]),
  ]);
  return (caption) => (/\b(two|three)\b/.test(caption) ? row(caption) : other(caption));
}

/** Index of the background that a caption names, or −1. */
function readBackground(caption: string): number {
  return data.backgrounds.findIndex(
    ({ name }) => caption.includes(`${name} background`) || caption.endsWith(` on ${name}`),
  );
}

describe('training examples', () => {
  it('neither name nor show a held-out pair of concept and background in many captions', () => {
    const many = ALL_VARIATIONS ? 100_000 : 25_000;
    const conceptsIn = conceptReader();
    const seen = new Set<string>();
    let named = 0;
    for (let index = 0; index < many; index++) {
      const caption = sampleCaption(art, 7, index);
      const [concepts, background] = [conceptsIn(caption), readBackground(caption)];
      if (background < 0 || concepts.length === 0) continue;
      named++;
      for (const concept of concepts) seen.add(`${concept}|${background}`);
    }
    expect(named).toBeGreaterThan(0.7 * many);
    const leaked = [...seen].filter((pair) => {
      const [concept, background] = pair.split('|').map(Number);
      return isHeldOut(data, data.concepts[concept!]!, data.backgrounds[background!]!);
    });
    expect(leaked).toEqual([]);
    const trained = art.allowed.reduce((sum, list) => sum + list.length, 0);
    // All that are allowed, but for those that so few captions can miss.
    expect(trained - seen.size).toBeLessThanOrEqual(ALL_VARIATIONS ? 0 : 0.02 * trained);
    for (let index = 0; index < 3_000; index++) {
      const { concept, background } = sampleExample(art, 8, index);
      expect(isHeldOut(data, data.concepts[concept]!, data.backgrounds[background!]!)).toBe(false);
    }
  });

  it('hold out about an eighth, by the FNV-1a hash with murmur finaliser', () => {
    const pairs = data.concepts.length * data.backgrounds.length;
    const heldOut = pairs - art.allowed.reduce((sum, list) => sum + list.length, 0);
    expect(heldOut / pairs).toBeGreaterThan(0.1);
    expect(heldOut / pairs).toBeLessThan(0.15);
    // FNV-1a of the empty string is its offset basis; the finaliser is murmur3's fmix32.
    expect(hashName('')).toBe(fmix32(0x811c9dc5));
    expect(hashName('a')).toBe(fmix32(0xe40c292c));
  });

  it('keep the held-out rule for pictures with several drawings', () => {
    const placement = { ...data.placement, corners: 0.2, counts: 0.3, pairs: 0.4 };
    const busy = prepareArt({ ...data, placement }, sheet.sprites);
    const conceptsIn = conceptReader();
    const kinds = { row: 0, pair: 0, corner: 0 };
    for (let index = 0; index < 5_000; index++) {
      const caption = sampleCaption(busy, 3, index);
      if (/\b(two|three) /.test(caption)) kinds.row++;
      if (/ next to | above /.test(caption)) kinds.pair++;
      if (/^a small .* in the /.test(caption)) kinds.corner++;
      const [concepts, background] = [conceptsIn(caption), readBackground(caption)];
      if (background < 0) continue;
      for (const concept of concepts) {
        const held = isHeldOut(data, data.concepts[concept]!, data.backgrounds[background]!);
        expect(held, caption).toBe(false);
      }
    }
    expect(Math.min(...Object.values(kinds))).toBeGreaterThan(250);
  });

  it('name style and background in two thirds of the captions, and are never empty', () => {
    const total = 5_000;
    let full = 0;
    for (let index = 0; index < total; index++) {
      const caption = sampleCaption(art, 1, index);
      expect(caption).not.toBe('');
      const style = data.styles.some(({ word }) => ` ${caption} `.replaceAll(',', ' ').includes(` ${word} `));
      if (style && readBackground(caption) >= 0) full++;
    }
    expect(full / total).toBeGreaterThan(0.66);
  });

  it('depend on seed and number only', () => {
    const later = sampleExample(art, 5, 1234);
    for (let index = 0; index < 5; index++) sampleExample(art, 5, index);
    const again = sampleExample(art, 5, 1234);
    expect(again).toEqual(later);
    expect(sampleExample(art, 6, 1234).caption + sampleExample(art, 6, 1235).caption).not.toBe(
      later.caption + sampleExample(art, 5, 1235).caption,
    );
    expect(sampleCrop(art, 5, 9)).toEqual(sampleCrop(art, 5, 9));
  });

  it('show the drawing inside its box and the background, within its jitter, everywhere else', () => {
    for (let index = 0; index < 32; index++) {
      const { image, boxes, background } = sampleExample(art, 2, index);
      for (const [left, top, right, bottom] of boxes)
        expect(Math.min(left, top, data.size - right, data.size - bottom)).toBeGreaterThanOrEqual(4);
      const area = data.size ** 2;
      let worst = 0;
      for (let pixel = 0; pixel < area; pixel++) {
        const [x, y] = [pixel % data.size, Math.floor(pixel / data.size)];
        const inside = boxes.some(
          ([left, top, right, bottom]) => x > left - 2 && x < right + 1 && y > top - 2 && y < bottom + 1,
        );
        if (inside) continue;
        for (let c = 0; c < 3; c++) {
          const value = (image[c * area + pixel]! + 1) * 127.5;
          worst = Math.max(worst, Math.abs(value - data.backgrounds[background!]!.rgb[c]!));
        }
      }
      expect(worst).toBeLessThanOrEqual(4.01);
      expect(image.every((value) => value >= -1 && value <= 1)).toBe(true);
    }
  });

  it('come from a thread in order, the same as in this one, and continue from any number', async () => {
    const options = { kind: 'pictures', seed: 11, batchSize: 4, start: 40 } as const;
    const source = openBatches(data, sheet, options);
    try {
      for (let number = 0; number < 6; number++) {
        const batch = await source.next();
        expect(batch).toEqual(makeBatch(art, options, 40 + number * 4));
        source.recycle(batch);
      }
    } finally {
      await source.close();
    }
    await expect(drain(source)).rejects.toThrow(/stopped unexpectedly/);
  });
});

describe('the configuration', () => {
  it('has at least 96 concepts that every style draws, and distinct background colours', () => {
    expect(data.concepts.length).toBeGreaterThanOrEqual(96);
    expect(data.backgrounds).toHaveLength(16);
    for (const [index, a] of data.backgrounds.entries()) {
      for (const b of data.backgrounds.slice(index + 1)) {
        const distance = Math.hypot(...a.rgb.map((value, c) => value - b.rgb[c]!));
        expect(distance, `${a.name} and ${b.name}`).toBeGreaterThan(40);
      }
    }
  });

  it('uses plain English', () => {
    const find = (word: string) => data.concepts.find((concept) => concept.word === word)!;
    expect(nounPhrase(find('owl'))).toBe('an owl');
    expect(nounPhrase(find('unicorn'))).toBe('a unicorn');
    expect(nounPhrase(find('owl'), 'owl', 'flat')).toBe('a flat owl');
    expect(nounPhrase(find('cherries'), 'cherries', '3d')).toBe('3d cherries');
    expect([plural('butterfly'), plural('fox'), plural('key'), plural('cat')]).toEqual([
      'butterflies',
      'foxes',
      'keys',
      'cats',
    ]);
  });
});

/** Takes batches until the source gives no more. */
async function drain(source: { next(): Promise<unknown> }): Promise<void> {
  for (;;) await source.next();
}

/** murmur3's 32-bit finaliser, written apart from the program's. */
function fmix32(value: number): number {
  let hash = BigInt(value);
  const mask = 0xffffffffn;
  hash ^= hash >> 16n;
  hash = (hash * 0x85ebca6bn) & mask;
  hash ^= hash >> 13n;
  hash = (hash * 0xc2b2ae35n) & mask;
  return Number(hash ^ (hash >> 16n));
}
