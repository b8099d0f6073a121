/** What the next model's captions can say, and that its pictures show it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { trainModelVocabulary } from '../../../lab/pretrain/bpe.ts';
import type { PretrainData } from '../../../lab/pretrain/concepts.ts';
import { EFFECT_WORDS, EFFECTS, withEffect } from '../../../lab/pretrain/effects.ts';
import { ExampleRandom } from '../../../lab/pretrain/example-random.ts';
import { isPlace, PLACE_PHRASES, PLACES } from '../../../lab/pretrain/grounds.ts';
import { hashName } from '../../../lab/pretrain/held-out.ts';
import { defaultConfigPath, readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import {
  prepareArt,
  sampleCaptions,
  sampleExample,
  type TrainingArt,
} from '../../../lab/pretrain/sampler.ts';
import { drawScene } from '../../../lab/pretrain/scene.ts';
import { creature } from '../../../lab/procedural/creatures.ts';
import { sharedSprites } from '../../helpers/shared-sprites.ts';

const NUMBERS = ['', 'one', 'two', 'three', 'four'];

let data: PretrainData;
let art: TrainingArt;

beforeAll(async () => {
  data = await readPretrainData(defaultConfigPath);
  const sheet = await sharedSprites(data);
  art = prepareArt(data, sheet.sprites, sheet.creatures);
});

const scenes = (seed: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    ...drawScene(art, new ExampleRandom(seed, index)),
    captions: sampleCaptions(art, seed, index, 3),
  }));

describe('captions', () => {
  it('say what a drawing wears, and the picture has it on top of the wearer', () => {
    let seen = 0;
    for (const { subject, placed, captions } of scenes(1, 1500)) {
      if (subject.layout.kind !== 'wearing') continue;
      seen++;
      const [wearer, worn] = placed;
      expect(placed).toHaveLength(2);
      const words = [subject.layout.what.word, ...(subject.layout.what.also ?? [])];
      const named = captions.filter((caption) => words.some((word) => caption.includes(word)));
      expect(named.length, captions.join(' | ')).toBeGreaterThan(0);
      const top = wearer!.y - (wearer!.sprite.extent[1] * wearer!.side) / 2;
      if (subject.layout.worn.where === 'head') expect(worn!.y).toBeLessThan(top + 0.1 * wearer!.side);
      expect(worn!.y - (worn!.sprite.extent[1] * worn!.side) / 2).toBeGreaterThan(-8);
    }
    expect(seen).toBeGreaterThan(90);
  });

  it('name an effect whenever a picture has one, and none otherwise', () => {
    const words = EFFECTS.flatMap((effect) => EFFECT_WORDS[effect].media);
    let seen = 0;
    for (const { subject, captions } of scenes(2, 1500)) {
      const { effect } = subject;
      for (const caption of captions) {
        const spoken = words.some((word) => caption.includes(`${word} of `));
        if (effect === null) expect(spoken && !caption.includes('painting'), caption).toBe(false);
        else
          expect(
            EFFECT_WORDS[effect].media.some((word) => caption.includes(`${word} of `)) ||
              caption.includes(`${EFFECT_WORDS[effect].word} `),
            caption,
          ).toBe(true);
      }
      if (effect !== null) seen++;
    }
    expect(seen).toBeGreaterThan(35);
  });

  it("tell a creature's true traits", () => {
    const colours = new Set(art.creatures.map((one) => one.creature.colour));
    let told = 0;
    for (const { subject, captions } of scenes(3, 2000)) {
      const { what } = subject;
      if ('hex' in what) continue;
      for (const caption of captions) {
        // The ground can have another colour's name, and a filler can be any word.
        const own = caption.replace(/ (on|in|at|by) (a|an|the) .*$|,.*$/, '');
        for (const [eyes, number] of NUMBERS.entries())
          if (eyes > 0 && (own.includes(`${number} eye`) || own.includes(`${number}-eyed`))) {
            expect(eyes, caption).toBe(what.eyes);
            told++;
          }
        for (const colour of colours)
          if (new RegExp(`\\b${colour} (monster|creature|mascot)`).test(own))
            expect(colour, caption).toBe(what.colour);
        if (/ (hat|cap|crown)\b/.test(own)) expect(what.hat, caption).not.toBeNull();
      }
    }
    expect(told).toBeGreaterThan(100);
  });

  it('name the place that a picture shows, never a held-out one', () => {
    const seen = new Set<string>();
    for (const { subject, concept, ground, captions } of scenes(4, 2000)) {
      if (!isPlace(ground)) continue;
      seen.add(ground.name);
      const phrases = PLACE_PHRASES[ground.name];
      for (const caption of captions)
        for (const other of PLACES)
          if (other !== ground.name)
            expect(
              PLACE_PHRASES[other].some((phrase) => caption.includes(phrase)),
              caption,
            ).toBe(false);
      expect(phrases.length).toBeGreaterThan(2);
      if ('hex' in subject.what)
        expect(hashName(`${data.concepts[concept]!.hex}|${ground.name}`) % data.heldOut.modulus).not.toBe(0);
    }
    expect([...seen].sort()).toEqual([...PLACES].sort());
  });

  it('differ between the variants of one picture, and are made of whole tokens', async () => {
    const { vocab } = await trainModelVocabulary(data);
    const all = scenes(5, 700).map(({ captions }) => captions);
    const varied = all.filter((captions) => new Set(captions).size > 1).length;
    expect(varied / all.length).toBeGreaterThan(0.85);
    const words = all.flat().flatMap((caption) => caption.match(/[a-z]+/g) ?? []);
    const unknown = words.filter((word) => !(`${word}</w>` in vocab));
    // Made-up words alone: at most as many as captions have.
    expect(unknown.length / all.flat().length).toBeLessThan((data.captions.unknown ?? 0) + 0.02);
  });
});

describe('pictures', () => {
  it('of a place have its bands, and everything stays in range', () => {
    for (let index = 0; index < 200; index++) {
      const { image } = sampleExample(art, 6, index);
      expect(image.every((value) => value >= -1.001 && value <= 1.001)).toBe(true);
    }
  });

  it('with an effect keep their outline and change their colours', () => {
    const sprite = art.sprites[0]![0]!;
    for (const effect of EFFECTS) {
      const changed = withEffect(sprite, effect, new ExampleRandom(1, 1));
      const [before, after] = [sprite.levels[0]!, changed.levels[0]!];
      let [both, either, different] = [0, 0, 0];
      for (let at = 3; at < before.length; at += 4) {
        const [a, b] = [before[at]! > 127, after[at]! > 127];
        if (a && b) both++;
        if (a || b) either++;
        if (a && b && Math.abs(before[at - 1]! - after[at - 1]!) > 8) different++;
        expect(Math.max(after[at - 1]!, after[at - 2]!, after[at - 3]!)).toBeLessThanOrEqual(after[at]!);
      }
      expect(both / either, effect).toBeGreaterThan(0.9);
      expect(different / both, effect).toBeGreaterThan(0.1);
    }
  });

  it('of a creature are the same for the same number', () => {
    expect(creature(1, 5)).toEqual(creature(1, 5));
    expect(creature(1, 5).svg).not.toBe(creature(1, 6).svg);
  });
});
