/** @file The picture classifier against nsfwjs in TensorFlow.js: the same pictures, the same numbers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CLASSES,
  openMobileNet,
  type MobileNet,
  type RgbPicture,
} from '../../gpu-worker/safety/mobilenet.ts';

interface Reference {
  readonly name: string;
  /** In nsfwjs' order. */
  readonly probabilities: readonly number[];
  /** Mean of block_13_expand_relu. */
  readonly features: readonly number[];
}

const FOLDER = join(import.meta.dirname, '../fixtures/nsfw');
const REFERENCE = JSON.parse(readFileSync(join(FOLDER, 'reference.json'), 'utf8')) as readonly Reference[];

async function picture(name: string): Promise<RgbPicture> {
  const { data, info } = await sharp(join(FOLDER, `${name}.png`))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixels: data };
}

const worst = (actual: ArrayLike<number>, expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value)));

describe('MobileNetV2', () => {
  let network: MobileNet;
  beforeAll(async () => {
    network = await openMobileNet();
  });
  afterAll(() => network.release());

  it.each(REFERENCE.map((reference) => [reference.name, reference] as const))(
    'gives the probabilities and features of nsfwjs for %s',
    async (name, { probabilities, features }) => {
      const pictures = [await picture(name)];
      const [scores] = await network.classify(pictures);
      expect(
        worst(
          CLASSES.map((each) => scores![each]),
          probabilities,
        ),
      ).toBeLessThan(1e-4);
      const [found] = await network.features(pictures);
      expect(found).toHaveLength(576);
      expect(worst(found!, features)).toBeLessThan(1e-4);
    },
  );

  it('takes several pictures of several sizes at once, in order', async () => {
    const chosen = REFERENCE.slice(0, 3);
    const scores = await network.classify(await Promise.all(chosen.map(({ name }) => picture(name))));
    const neutral = chosen.map(({ probabilities }) => probabilities[2]!);
    expect(
      worst(
        scores.map((each) => each.neutral),
        neutral,
      ),
    ).toBeLessThan(1e-4);
  });
});
