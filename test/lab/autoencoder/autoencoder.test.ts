/** @file The autoencoder's own training: what it is shown, what it loses by, and how it begins on an earlier one's weights. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyedRandom } from '../../../core/random.ts';
import { compile } from '../../../gpu-worker/graph/compile.ts';
import { gradients } from '../../../gpu-worker/graph/gradients.ts';
import * as op from '../../../gpu-worker/graph/ops.ts';
import { Session, type Feeds } from '../../../gpu-worker/graph/runtime.ts';
import type { Tensor } from '../../../gpu-worker/graph/tensor.ts';
import { vaeConfig } from '../../../gpu-worker/models/model-configs.ts';
import {
  FlatLayout,
  givenParameters,
  parametersOf,
  type Parameters,
} from '../../../gpu-worker/models/parameters.ts';
import { readNsfwWeights } from '../../../gpu-worker/safety/nsfw-weights.ts';
import { readSubjects } from '../../../lab/evaluate/subjects.ts';
import { autoencoderLicences } from '../../../lab/autoencoder/autoencoder-licences.ts';
import { sampleAutoencoderCrop } from '../../../lab/autoencoder/crops.ts';
import { splitDrawings, type Bank } from '../../../lab/autoencoder/drawings.ts';
import {
  autoencoderParameters,
  readAutoencoder,
  writeAutoencoder,
} from '../../../lab/pretrain/autoencoder-folder.ts';
import { autoencoderLoss, DISCRIMINATOR } from '../../../lab/pretrain/autoencoder-loss.ts';
import { discriminator, discriminatorLoss } from '../../../lab/pretrain/discriminator.ts';
import { initialise } from '../../../lab/pretrain/initialise.ts';
import { mobileNetFeatureMaps, perceptualDistance } from '../../../lab/pretrain/perceptual-loss.ts';
import { measureAutoencoders } from '../../../lab/autoencoder/measure-autoencoder.ts';
import { openAutoencoder, qualityOf } from '../../../lab/autoencoder/quality.ts';
import { photoTiles } from '../../../lab/autoencoder/photo-tiles.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import { FIELDS, FIGURES, mascotEyes, proceduralArt } from '../../../lab/procedural/art.ts';
import { renderSprite } from '../../../lab/pretrain/sprites.ts';
import { widened } from '../../../lab/autoencoder/widen.ts';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'krona-autoencoder-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const normals = (seed: number, count: number): Float32Array => new KeyedRandom(seed, 'test').normals(count);
const pictures = (seed: number, count: number): Float32Array => normals(seed, count).map((x) => Math.tanh(x));

const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

/** A small autoencoder's config; widths are multiples of 4 groups. */
const configOf = (widths: readonly number[], latents: number) => ({
  _class_name: 'AutoencoderKL',
  block_out_channels: widths,
  down_block_types: widths.map(() => 'DownEncoderBlock2D'),
  up_block_types: widths.map(() => 'UpDecoderBlock2D'),
  latent_channels: latents,
  layers_per_block: 1,
  norm_num_groups: 4,
});

/**
 * How far the gradient of a scalar of `parameters` in the direction of itself is from the slope that small steps that way
 * measure, as a share of it.
 */
async function slopeError(
  loss: (flat: Tensor) => Tensor,
  at: Float32Array,
  feeds: Feeds = {},
): Promise<number> {
  const flat = op.input('flat', [at.length]);
  const value = loss(flat);
  const session = await Session.create(compile({ value, gradient: gradients(value, [flat])[0] }));
  const run = async (x: Float32Array) => session.run({ ...feeds, flat: x });
  const gradient = (await run(at))['gradient'];
  const length = norm(gradient);
  const step = 1e-2 / length;
  const [ahead, behind] = await Promise.all(
    [step, -step].map(
      async (by) => (await run(at.map((x, i) => x + (by * gradient[i]!) / length)))['value'][0],
    ),
  );
  await session.release();
  const slope = (Number(ahead) - Number(behind)) / (2 * step);
  return Math.abs(slope - length) / length;
}

describe('the loss', () => {
  it('has the right gradient of the feature distance by pixel', async () => {
    const maps = mobileNetFeatureMaps(givenParameters(await readNsfwWeights()));
    const shape = [1, 3, 32, 32];
    const target = op.constant(pictures(1, 3072), shape);
    const distance = (flat: Tensor) => perceptualDistance(maps, op.reshape(flat, shape), target);
    expect(await slopeError(distance, pictures(2, 3072))).toBeLessThan(0.03);
  });

  it('is zero for equal pictures, and grows with blur', async () => {
    const maps = mobileNetFeatureMaps(givenParameters(await readNsfwWeights()));
    const [a, b] = [op.input('a', [1, 3, 64, 64]), op.input('b', [1, 3, 64, 64])];
    const session = await Session.create(compile({ distance: perceptualDistance(maps, a, b) }));
    const drawn = async (sigma: number): Promise<Float32Array> => {
      const flat = sharp(Buffer.from(proceduralArt('mascot', 1, 3)))
        .resize(64, 64)
        .flatten({ background: '#fff' });
      const bytes = await (sigma > 0 ? flat.blur(sigma) : flat).raw().toBuffer();
      return Float32Array.from(
        { length: bytes.length },
        (_, i) => bytes[(i % 4096) * 3 + Math.floor(i / 4096)]! / 127.5 - 1,
      );
    };
    const sharpPicture = await drawn(0);
    const distances: number[] = [];
    for (const sigma of [0, 0.6, 2])
      distances.push(
        (await session.run({ a: sharpPicture, b: await drawn(sigma) }))['distance'][0] as number,
      );
    await session.release();
    expect(distances[0]).toBe(0);
    expect(distances[1]).toBeGreaterThan(0.01);
    expect(distances[2]).toBeGreaterThan(1.5 * distances[1]!);
  });

  it('has the right gradient of the discriminator’s loss by its parameters', async () => {
    const shape = [1, 3, 32, 32];
    const loss = (p: Parameters): Tensor =>
      discriminatorLoss(
        discriminator(p, op.constant(pictures(1, 3072), shape)),
        discriminator(p, op.constant(pictures(2, 3072), shape)),
      );
    const layout = new FlatLayout(parametersOf(loss));
    const error = await slopeError(
      (flat) => loss(givenParameters(layout.split(flat))),
      initialise(layout, 1, false),
    );
    expect(error).toBeLessThan(0.03);
  });

  it('pulls decoder and discriminator in opposite directions, and its value excludes the adversarial term', async () => {
    const config = vaeConfig('vae', configOf([8, 8], 4));
    const inputs = { image: op.input('image', [2, 3, 32, 32]), noise: op.input('noise', [2, 4, 16, 16]) };
    const feeds = { image: pictures(3, 6144), noise: normals(4, 2048) };
    const run = async (weight: number) => {
      const terms = { adversarial: { weight: op.scalar(weight) } };
      const loss = (p: Parameters) => autoencoderLoss(config, p, inputs, 0, terms);
      const layout = new FlatLayout(parametersOf(loss));
      const flat = op.input('flat', [layout.length]);
      const parts = layout.split(flat);
      const value = loss(givenParameters(parts));
      const names = layout.entries.map(({ name }) => name);
      const slopes = gradients(
        value,
        names.map((name) => parts.get(name)!),
      );
      const outputs = Object.fromEntries(names.map((name, i) => [`d.${name}`, slopes[i]!]));
      const session = await Session.create(compile({ value, ...outputs }));
      const results = await session.run({ ...feeds, flat: initialise(layout, 1, false) });
      await session.release();
      return { results: results as Record<string, Float32Array>, names };
    };
    const [without, half] = [await run(0), await run(0.5)];
    expect(half.results['value']![0]).toBeCloseTo(without.results['value']![0]!, 6);
    const last = 'd.decoder.conv_out.weight';
    // At the last layer the opinion's gradient is as long as the other terms', times its weight.
    const [plain, pushed] = [without.results[last]!, half.results[last]!];
    const added = norm(pushed.map((x, i) => x - plain[i]!));
    expect(added / norm(plain)).toBeCloseTo(0.5, 2);
    // The discriminator is trained as well, and not by what the decoder wants of it.
    const own = half.names.filter((name) => name.startsWith(DISCRIMINATOR));
    expect(own.length).toBeGreaterThan(6);
    for (const name of own) {
      expect(norm(half.results[`d.${name}`]!)).toBeGreaterThan(0);
      expect(half.results[`d.${name}`]).toEqual(without.results[`d.${name}`]);
    }
  });
});

describe('a widened autoencoder', () => {
  /** What a decoder makes of an encoder's means: pictures of 16×16. */
  async function restore(path: string): Promise<Float32Array> {
    const autoencoder = await openAutoencoder(path, 16);
    const restored = await autoencoder.restore(pictures(5, 768));
    await autoencoder.release();
    return restored;
  }

  async function widenTo(widths: readonly number[], latents: number): Promise<[Float32Array, Float32Array]> {
    const [narrow, wide] = [configOf([8, 16, 32], 4), configOf(widths, latents)];
    const layout = new FlatLayout(autoencoderParameters(vaeConfig('vae', narrow)));
    const values = initialise(layout, 7, false);
    const named = new Map(
      layout.entries.map(({ name, offset, size }) => [name, values.subarray(offset, offset + size)]),
    );
    // A picture of some contrast, so that the comparison says something.
    named.get('decoder.conv_out.weight')!.forEach((x, i, all) => (all[i] = 2 * x));
    await writeAutoencoder(join(folder, 'narrow'), narrow, named);
    const { config, tensors } = await readAutoencoder(join(folder, 'narrow'));
    const grown = new FlatLayout(autoencoderParameters(vaeConfig('vae', wide)));
    const result = widened(config, vaeConfig('vae', wide), tensors, grown, new Float32Array(grown.length), 1);
    const parts = new Map(
      grown.entries.map(({ name, offset, size }) => [name, result.subarray(offset, offset + size)]),
    );
    await writeAutoencoder(join(folder, 'wide'), wide, parts);
    return [await restore(join(folder, 'narrow')), await restore(join(folder, 'wide'))];
  }

  it('makes the same pictures with twice the maps and four times the latents', async () => {
    const [before, after] = await widenTo([16, 48, 32], 16);
    expect(Math.max(...before) - Math.min(...before)).toBeGreaterThan(0.3);
    const largest = Math.max(...after.map((value, i) => Math.abs(value - before[i]!)));
    // Weights lie in files in half precision.
    expect(largest).toBeLessThan(4e-3);
  });

  it('is refused when it would change the pictures', async () => {
    const config = (widths: readonly number[], latents: number) =>
      vaeConfig('vae', configOf(widths, latents));
    const layout = new FlatLayout([]);
    const widen = (widths: readonly number[], latents: number) => () =>
      widened(config([8, 16], 4), config(widths, latents), new Map(), layout, new Float32Array(0), 1);
    expect(widen([12, 16], 4)).toThrow(RangeError);
    expect(widen([8, 32], 4)).toThrow(RangeError);
    expect(widen([8, 16], 2)).toThrow(/2; expected multiples of all widths but the last/);
  });
});

describe('the training data', () => {
  it('never contains held-out drawings, or those that subjects are made of, in any set', async () => {
    const data = await readPretrainData();
    const { trained, kept } = await splitDrawings(data);
    const { subjects } = await readSubjects();
    const names = new Set(trained.map(({ label }) => label.toLowerCase()));
    for (const { parts } of subjects)
      for (const { label } of parts) expect(names).not.toContain(label.toLowerCase());
    const apart = new Set(kept.map(({ hex }) => hex));
    expect(trained.filter(({ hex }) => apart.has(hex))).toEqual([]);
    for (const { hex, word } of data.concepts)
      if (apart.has(hex))
        expect(subjects.some(({ parts }) => parts.some(({ label }) => label.includes(word)))).toBe(true);
    for (const set of new Set(kept.map((one) => one.set))) {
      const [left, all] = [kept, [...kept, ...trained]].map(
        (list) => list.filter((one) => one.set === set).length,
      );
      expect(left! / all!).toBeGreaterThan(0.3);
      expect(left! / all!).toBeLessThan(0.4);
    }
  });

  it('has procedural drawings that are the same for the same number, and all different', () => {
    for (const kind of [...FIGURES, ...FIELDS]) {
      const texts = Array.from({ length: 20 }, (_, index) => proceduralArt(kind, 1, index));
      expect(texts).toEqual(Array.from({ length: 20 }, (_, index) => proceduralArt(kind, 1, index)));
      expect(new Set(texts).size).toBe(20);
    }
    const eyes = Array.from({ length: 200 }, (_, index) => mascotEyes(1, index, true));
    expect(new Set(eyes)).toEqual(new Set([1, 2, 3, 4]));
  });

  it('has the same crop for the same number, and covers fields and photos to the edge', async () => {
    const data = await readPretrainData();
    const sprite = async (kind: (typeof FIELDS)[number] | 'mascot', index: number) =>
      renderSprite(Buffer.from(proceduralArt(kind, 1, index)));
    const white = await sharp({ create: { width: 300, height: 250, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    await writeFile(join(folder, 'white.png'), white);
    await writeFile(join(folder, 'readme.txt'), 'no photo');
    const tiles = await photoTiles(folder);
    expect(tiles.length).toBe(5);
    const photos = await Promise.all(tiles.map((tile) => renderSprite(tile)));
    const bank: Bank = {
      drawings: [await sprite('mascot', 1)],
      figures: [await sprite('mascot', 2)],
      fields: photos,
      photos,
    };
    const crop = (index: number): Float32Array => {
      const picture = new Float32Array(3 * 64 * 64);
      sampleAutoencoderCrop(bank, data.backgrounds, 1, index, 64, picture);
      return picture;
    };
    const crops = Array.from({ length: 60 }, (_, index) => crop(index));
    expect(crop(17)).toEqual(crops[17]);
    expect(crops.every((picture) => picture.every((value) => value >= -1.01 && value <= 1.01))).toBe(true);
    // White photos on black: a crop that shows one shows nothing else, to the last pixel.
    const filled = crops.filter((picture) => picture.every((value) => value > 0.98));
    expect(filled.length).toBeGreaterThan(3);
    const dark = crops.filter((picture) => picture[0]! > 0.98 && picture[64 * 64 - 1]! === -1);
    expect(dark).toEqual([]);
  });

  it('credits photos by the LICENSES.md in their folder, and says what is missing', async () => {
    const photos = join(folder, 'photos');
    await mkdir(photos);
    expect(await autoencoderLicences()).not.toContain('## Photos');
    expect(await autoencoderLicences(photos)).toContain('The photos have no LICENSES.md');
    await writeFile(join(photos, 'LICENSES.md'), '- cat.png: CC0, by Ada');
    const text = await autoencoderLicences(photos);
    expect(text).toContain('## Photos\n\n- cat.png: CC0, by Ada\n');
    expect(text).toContain('Twemoji');
  });

  it('reads back from a diffusers folder', async () => {
    const config = JSON.parse(await readFile(join(folder, 'wide', 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(config['_class_name']).toBe('AutoencoderKL');
    expect(config['latent_channels']).toBe(16);
  });
});

describe('the measure', () => {
  it('finds no error in an unchanged picture, and low sharpness in a blurred one', async () => {
    const size = 32;
    const picture = pictures(8, 3 * size * size);
    const mean = picture.reduce((sum, x) => sum + x, 0) / picture.length;
    const soft = picture.map((x) => mean + 0.5 * (x - mean));
    const drawn = Array.from({ length: size * size }, (_, i) => i >= size);
    // Only the row that the drawing does not touch is another.
    const ground = picture.map((x, i) => (drawn[i % drawn.length] ? x : -x));
    const kept = ['same', 'soft', 'ground'].map((set) => ({ set, name: set, picture, drawn }));
    const figures = qualityOf(kept, [picture, soft, ground], size);
    expect(figures['same']).toMatchObject({ meanError: 0, sharpness: 1 });
    expect(figures['soft']!.sharpness).toBeCloseTo(0.25, 5);
    expect(figures['ground']!.meanError).toBe(0);
    expect(figures['all']).toMatchObject({ pictures: 3, worst: 'soft soft' });
  });

  it('passes a drawing of each set through autoencoders, and writes a table and sheets', async () => {
    const out = join(folder, 'measured');
    const vae = join(import.meta.dirname, '../../../models/krona-emoji/vae');
    const report = await measureAutoencoders({ folders: [vae], out, each: 1 });
    expect(Object.keys(report[vae]!)).toHaveLength(10);
    expect(report[vae]!['all']!.pictures).toBe(9);
    expect(report[vae]!['all']!.meanError).toBeGreaterThan(2);
    expect(report[vae]!['all']!.meanError).toBeLessThan(20);
    expect(await readFile(join(out, 'table.md'), 'utf8')).toMatch(/\| mascots \| +\d/);
    expect((await sharp(join(out, 'sheet-1.png')).metadata()).height).toBeGreaterThan(9 * 256);
  });
});
