import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { composite } from '../../../lab/pretrain/composite.ts';
import type { PretrainData } from '../../../lab/pretrain/concepts.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import { isHeldOut } from '../../../lab/pretrain/held-out.ts';
import { heldOutPrompts, Judge, trainedPrompts } from '../../../lab/pretrain/judge.ts';
import { modelLicences } from '../../../lab/pretrain/licences.ts';
import { writeModelCard } from '../../../lab/pretrain/model-card.ts';
import { prepareArt, sampleExample, type TrainingArt } from '../../../lab/pretrain/sampler.ts';
import { contactSheet, lossCurve, renderSvg } from '../../../lab/pretrain/sheet.ts';
import type { Sprite, SpriteSheet } from '../../../lab/pretrain/sprites.ts';
import { sharedSprites } from '../../helpers/shared-sprites.ts';

let data: PretrainData;
/** Of the styles in `data`. */
let versions: SpriteSheet['versions'];
/** The same concepts by an artist of another style. */
let others: Sprite[];
let art: TrainingArt;
let judge: Judge;

beforeAll(async () => {
  const whole = await readPretrainData();
  // Single things in their own colours, which is what is judged here, in the styles of two hands.
  const single = { corners: 0, counts: 0, pairs: 0, wearing: 0, sizes: 0, creatures: 0, places: 0 };
  const placement = { ...whole.placement, ...single, recolours: 0, effects: 0 };
  const [flat, solid, detailed] = whole.styles;
  expect(detailed!.set).toBe('noto');
  data = { ...whole, placement, styles: [flat!, solid!] };
  const sheet = await sharedSprites(whole);
  versions = sheet.versions.filter(({ set }) => set !== 'noto');
  others = sheet.sprites.map((styles) => styles[2]!);
  art = prepareArt(
    data,
    sheet.sprites.map((styles) => styles.slice(0, 2)),
  );
  judge = new Judge(art);
});

describe('held-out prompts', () => {
  it('are untrained pairs over at least 96 concepts, in alternating styles, the same on every call', () => {
    const prompts = heldOutPrompts(data, 128);
    expect(prompts).toHaveLength(128);
    expect(prompts).toEqual(heldOutPrompts(data, 300).slice(0, 128));
    expect(new Set(prompts.map(({ concept }) => concept)).size).toBeGreaterThanOrEqual(96);
    expect(new Set(prompts.map(({ prompt }) => prompt)).size).toBe(128);
    for (const { prompt, concept, style, background } of prompts) {
      const [named, ground] = [data.concepts[concept]!, data.backgrounds[background]!];
      expect(isHeldOut(data, named, ground)).toBe(true);
      for (const word of [named.word, data.styles[style]!.word, ground.name]) expect(prompt).toContain(word);
    }
    const flat = prompts.filter(({ style }) => style === 0).length;
    expect(Math.abs(flat - 64)).toBeLessThan(10);
    for (const { concept, background } of trainedPrompts(data, 128)) {
      expect(isHeldOut(data, data.concepts[concept]!, data.backgrounds[background]!)).toBe(false);
    }
  });
});

describe('the judge', () => {
  it('recognises nearly every training picture, and distinguishes it from a copy of another', () => {
    const examples = Array.from({ length: 100 }, (_, index) => sampleExample(art, 99, index));
    const asked = examples.map((example) => ({
      prompt: example.caption,
      ...example,
      background: example.background!,
    }));
    const report = judge.report(
      asked,
      examples.map(({ image }) => image),
    );
    expect(report.background).toBe(1);
    expect(report.top1).toBeGreaterThan(0.98);
    expect(report.style).toBeGreaterThan(0.98);
    expect(report.copyDistance).toBeLessThan(5);
  });

  it('finds the style among the drawings of the requested concept, even if another concept is nearer', () => {
    const examples = Array.from({ length: 60 }, (_, index) => sampleExample(art, 98, index));
    const right = examples.filter((example) => {
      // A third of it is another picture: the nearest drawing of all is often something else.
      const blurred = example.image.map((value, at) => (2 * value + examples[0]!.image[at]!) / 3);
      return judge.styleOf(blurred, example.background!, example.concept) === example.style;
    });
    expect(right.length).toBeGreaterThan(50);
  });

  it('refuses wrong colours, wrong concepts and empty pictures', () => {
    const prompts = heldOutPrompts(data, 32);
    const window = { left: 0, top: 0, width: data.size, height: data.size };
    const drawn = prompts.map((_, index) => {
      // The picture of the next prompt: right in itself, wrong for what was asked.
      const other = prompts[(index + 1) % prompts.length]!;
      const image = new Float32Array(3 * data.size ** 2);
      const sprite = art.sprites[other.concept]![other.style]!;
      const placed = { sprite, x: 64, y: 64, side: 108, angle: 0, mirror: false };
      composite(image, 0, window, data.backgrounds[other.background]!.rgb, [placed]);
      return image;
    });
    const wrong = judge.report(prompts, drawn);
    expect(wrong.top1).toBeLessThan(0.1);
    expect(wrong.background).toBeLessThan(0.3);
    expect(wrong.all).toBe(0);
    const empty = prompts.map(({ background }) => {
      const image = new Float32Array(3 * data.size ** 2);
      composite(image, 0, window, data.backgrounds[background]!.rgb, []);
      return image;
    });
    const nothing = judge.report(prompts, empty);
    expect(nothing.background).toBe(1);
    expect(nothing.top1).toBeLessThan(0.15);
  });

  it('names the same concept in drawings of another artist far more often than by chance', () => {
    const prompts = heldOutPrompts(data, 100);
    const window = { left: 0, top: 0, width: data.size, height: data.size };
    const images = prompts.map(({ concept, background }) => {
      const image = new Float32Array(3 * data.size ** 2);
      const placed = { sprite: others[concept]!, x: 64, y: 64, side: 108, angle: 0, mirror: false };
      composite(image, 0, window, data.backgrounds[background]!.rgb, [placed]);
      return image;
    });
    const { top1, top5, copyDistance } = judge.report(prompts, images);
    expect(top1).toBeGreaterThan(0.4);
    expect(top5).toBeGreaterThan(0.55);
    expect(copyDistance).toBeGreaterThan(20);
  });
});

describe('sheets and texts of a model', () => {
  it('show every picture with its label', async () => {
    const pictures = Array.from({ length: 10 }, (_, index) => {
      const { image, caption } = sampleExample(art, 4, index);
      return { image, label: `${caption} <&"`, right: index % 2 === 0 };
    });
    const png = await contactSheet(pictures, { columns: 4, title: 'A & B' });
    const { width, height } = await sharp(png).metadata();
    expect(width).toBe(4 * 134 + 6);
    expect(height).toBeGreaterThan(3 * 134);
    // The first picture's top left pixel is where the sheet says it is.
    const { data: pixels, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const first = [...pixels.subarray((28 * info.width + 6) * 3, (28 * info.width + 6) * 3 + 3)];
    const expected = [0, 1, 2].map((c) => Math.round((pictures[0]!.image[c * data.size ** 2]! + 1) * 127.5));
    expect(first).toEqual(expected);
  });

  it('draw loss curves, even of one point or none', async () => {
    for (const points of [
      [],
      [[5, 0.5]],
      [
        [0, 1],
        [1, 0.5],
        [2, 0],
        [3, 0.2],
      ],
    ] as [number, number][][]) {
      const text = lossCurve([{ name: 'loss <1>', points }]);
      expect(text).not.toContain('NaN');
      expect((await sharp(await renderSvg(text)).metadata()).width).toBe(760);
    }
  });

  it('credit exactly the art that was used', async () => {
    const text = await modelLicences('krona-emoji', versions);
    for (const part of [
      'Twitter, Inc and other contributors',
      'CC BY 4.0',
      'Copyright (c) Microsoft Corporation',
    ]) {
      expect(text).toContain(part);
    }
    for (const { package: name, version } of versions) expect(text).toContain(`${name} ${version}`);
    for (const absent of ['Noto', 'Apache']) expect(text).not.toContain(absent);
    const heldOut = {
      prompts: 128,
      background: 0.961,
      top1: 0.734,
      top5: 0.9,
      style: 1,
      all: 0.7,
      copyDistance: 9,
    };
    const card = writeModelCard({
      name: 'krona-emoji',
      data,
      versions,
      parameters: { unet: 4_260_000, vae: 2_730_000 },
      training: [
        { stages: null },
        {
          stages: [
            {
              name: 'diffusion',
              samples: 93_000,
              steps: 9300,
              batch: 10,
              learningRate: 1e-3,
              seconds: 9000,
              threads: 2,
              processor: 'Abacus',
            },
          ],
        },
      ],
      heldOut,
    });
    expect(card).toContain('- run 1, not recorded\n');
    expect(card).toContain(
      '- run 2, UNet and text encoders: 93,000 samples in 9,300 steps of 10, learning rate up to 0.001, 2.5 hours on 2 threads (Abacus)\n',
    );
    expect(card).toContain('- total recorded: UNet and text encoders 93,000 samples, 2.5 hours\n');
    expect(card).toContain('| all | 6,990,000 |');
    expect(card).toContain('| 128 | 96.1% | 73.4% |');
    expect(card).not.toContain('undefined,');
  });
});
