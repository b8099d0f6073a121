/** From photos to examples: captions, crops, mirrored photos, buckets and masks. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bucketAt, bucketSizes, nearestSize } from '../../gpu-worker/training/buckets.ts';
import { captionPrompt } from '../../gpu-worker/training/captions.ts';
import { latentMask, PhotoMask } from '../../gpu-worker/training/masks.ts';
import { viewsOf } from '../../gpu-worker/training/photo-cache.ts';
import { findMasks, readCaptions } from '../../gpu-worker/training/photo-sidecars.ts';
import { listPhotos } from '../../gpu-worker/training/photo-folder.ts';
import { loadPhoto, MIDDLE } from '../../gpu-worker/training/photos.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-examples-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A photo of a red left half and a right half of another colour. */
async function halves(name: string, width: number, height: number, right: string): Promise<string> {
  const path = join(folder, name);
  const half = (x: number, colour: string) =>
    `<rect x="${x}" width="${width / 2}" height="${height}" fill="${colour}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${half(0, '#f00')}${half(width / 2, right)}</svg>`;
  await sharp(Buffer.from(svg)).png().toFile(path);
  return path;
}

describe('a caption', () => {
  const sks = { subjectToken: 'sks', subjectClass: 'dog' };
  it.each([
    ['a dog on grass', 'a sks dog on grass'],
    ['sks dog, sleeping', 'sks dog, sleeping'],
    ['on a sofa, sunny', 'sks dog, on a sofa, sunny'],
    ['two hotdogs beside A Dog', 'two hotdogs beside A sks dog'],
  ])('%j names the subject: %j', (caption, prompt) => {
    expect(captionPrompt(caption, sks)).toBe(prompt);
  });

  it('of a subject without a class starts with its token', () => {
    expect(captionPrompt('on grass', { subjectToken: 'sks', subjectClass: '' })).toBe('sks, on grass');
  });

  it('is beside its photo, and masks beside it or in a folder are not photos', async () => {
    const own = join(folder, 'beside');
    await mkdir(join(own, 'masks'), { recursive: true });
    for (const name of ['a.png', 'a.mask.png', 'b.jpg', 'c.png', 'masks/b.png'])
      await writeFile(join(own, name), '');
    await writeFile(join(own, 'a.txt'), '  a dog on grass \nsecond line');
    await writeFile(join(own, 'b.txt'), '\n');
    const photos = await listPhotos(own);
    expect(photos.map((path) => basename(path))).toEqual(['a.png', 'b.jpg', 'c.png']);
    expect(await readCaptions(photos)).toEqual(['a dog on grass', null, null]);
    expect(await findMasks(photos)).toEqual([join(own, 'a.mask.png'), join(own, 'masks/b.png'), null]);
  });
});

describe('buckets', () => {
  it("for SDXL are multiples of 64 with about the square's area", () => {
    const sizes = bucketSizes(1024, 8);
    for (const { width, height } of sizes) {
      expect([width % 64, height % 64]).toEqual([0, 0]);
      expect(width * height).toBeLessThanOrEqual(1024 ** 2);
      expect(width * height).toBeGreaterThan(0.85 * 1024 ** 2);
    }
    expect(nearestSize({ width: 3000, height: 2000 }, sizes)).toEqual({ width: 1216, height: 832 });
    expect(nearestSize({ width: 2000, height: 3000 }, sizes)).toEqual({ width: 832, height: 1216 });
    expect(nearestSize({ width: 500, height: 500 }, sizes)).toEqual({ width: 1024, height: 1024 });
  });

  it("on small models are multiples of the model's own step", () => {
    for (const { width, height } of bucketSizes(128, 8)) expect([width % 8, height % 8]).toEqual([0, 0]);
    expect(nearestSize({ width: 3, height: 2 }, bucketSizes(128, 8))).toEqual({ width: 160, height: 96 });
  });

  it('take turns by their number of photos, in a new order every cycle', () => {
    const counts = [1, 3];
    const cycles = Array.from({ length: 20 }, (_, cycle) =>
      Array.from({ length: 4 }, (_, at) => bucketAt(counts, 5, 4 * cycle + at)),
    );
    for (const cycle of cycles) expect(cycle.filter(({ bucket }) => bucket === 0)).toHaveLength(1);
    expect(new Set(cycles.map((cycle) => cycle.map(({ bucket }) => bucket).join())).size).toBe(4);
    for (const which of [0, 1]) {
      const batches = cycles.flat().filter(({ bucket }) => bucket === which);
      expect(batches.map(({ batch }) => batch)).toEqual(batches.map((_, n) => n));
    }
  });
});

describe('views', () => {
  it('of random crops are the same for the same seed, with mirrored ones', () => {
    const options = { seed: 3, resolution: 64, crop: 'random', cuts: 3, flip: true } as const;
    const views = viewsOf(options, 1);
    expect(views).toHaveLength(6);
    expect(viewsOf(options, 1)).toEqual(views);
    expect(viewsOf(options, 2)).not.toEqual(views);
    expect(viewsOf({ ...options, seed: 4 }, 1)).not.toEqual(views);
    expect(views.filter(({ flip }) => flip)).toHaveLength(3);
    expect(viewsOf({ seed: 3, resolution: 64 }, 1)).toEqual([MIDDLE]);
  });

  it('match the photo that they are cut from', async () => {
    const path = await halves('wide.png', 120, 40, '#00f');
    const red = async (x: number, flip: boolean) =>
      (await loadPhoto(path, 40, 40, 'wide', { x, y: 0.5, flip })).pixels[20 * 40 + 20]! > 0;
    expect([await red(0, false), await red(1, false)]).toEqual([true, false]);
    expect([await red(0, true), await red(1, true)]).toEqual([false, true]);
  });
});

describe('a mask', () => {
  const left = (mask: Float32Array) => latentMask(mask, 32, 32, 8);
  const ofView = async (mask: PhotoMask, path: string, flip = false) => {
    const view = { ...MIDDLE, flip };
    return left(await mask.of(await loadPhoto(path, 32, 32, undefined, view), view));
  };
  const columns = (places: Float32Array) => [...places.subarray(0, 4)].map((x) => Math.round(x));

  it('comes from transparency, cut and mirrored like the photo', async () => {
    const path = await halves('clear.png', 64, 64, 'none');
    const mask = await PhotoMask.open('alpha', path, null);
    expect(columns(await ofView(mask, path))).toEqual([1, 1, 0, 0]);
    expect(columns(await ofView(mask, path, true))).toEqual([0, 0, 1, 1]);
  });

  it('comes from a file of any size, whose grey level is the weight', async () => {
    const [path, file] = [
      await halves('photo.png', 64, 64, '#00f'),
      await halves('photo.mask.png', 20, 20, '#000'),
    ];
    const mask = await PhotoMask.open('auto', path, file);
    const places = await ofView(mask, path);
    // Red is a dark grey to the eye.
    expect(places[0]).toBeGreaterThan(0.1);
    expect(places[3]).toBeLessThan(0.02);
    expect((await ofView(mask, path, true))[3]).toBeGreaterThan(0.1);
  });

  it('comes from a border of one colour', async () => {
    const path = join(folder, 'disc.png');
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#2d6"/><circle cx="32" cy="32" r="20" fill="#e22"/></svg>`;
    await sharp(Buffer.from(svg)).png().toFile(path);
    const places = await ofView(await PhotoMask.open('border', path, null), path);
    expect(places[0]).toBe(0);
    expect(places[5]).toBeGreaterThan(0.9);
  });

  it('is refused when missing, of another shape, or black', async () => {
    const path = await halves('two.png', 64, 64, '#00f');
    const codes = async (...from: Parameters<typeof PhotoMask.open>) =>
      PhotoMask.open(...from).then(
        () => null,
        (error: { code: string }) => error.code,
      );
    expect(await codes('file', path, null)).toBe('MASK_MISSING');
    expect(await codes('alpha', await rgb('opaque.jpg'), null)).toBe('MASK_MISSING');
    expect(await codes('border', path, null)).toBe('MASK_MISSING');
    expect(await codes('file', path, await halves('long.png', 64, 32, '#fff'))).toBe('MASK_UNFIT');
    const black = join(folder, 'black.png');
    await sharp({ create: { width: 64, height: 64, channels: 3, background: '#000' } }).toFile(black);
    expect(await codes('file', path, black)).toBe('MASK_EMPTY');
    // A photo of which nothing is known is all subject.
    expect(columns(await ofView(await PhotoMask.open('auto', path, null), path))).toEqual([1, 1, 1, 1]);
  });

  async function rgb(name: string): Promise<string> {
    const path = join(folder, name);
    await sharp({ create: { width: 64, height: 64, channels: 3, background: '#963' } }).toFile(path);
    return path;
  }
});
