import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listPhotos } from '../../gpu-worker/training/photo-folder.ts';
import { loadPhoto, type TrainingPhoto } from '../../gpu-worker/training/photos.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-photos-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Rgb = [number, number, number];
const RED: Rgb = [255, 0, 0];
const GREEN: Rgb = [0, 255, 0];
const BLUE: Rgb = [0, 0, 255];

/** A picture of equal vertical stripes, from left to right. */
function stripes(width: number, height: number, colours: Rgb[]): Sharp {
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      data.set(colours[Math.floor((x * colours.length) / width)]!, (y * width + x) * 3);
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** The colour at a place, 0 to 255. */
function at({ pixels, width, height }: TrainingPhoto, x: number, y: number): number[] {
  return [0, 1, 2].map((c) => Math.round((pixels[(c * height + y) * width + x]! + 1) * 127.5));
}

describe('a photo', () => {
  it('is cut from the middle of a wide one, with the crop position for SDXL', async () => {
    const photo = await loadPhoto(await stripes(300, 100, [RED, GREEN, BLUE]).png().toBuffer(), 50, 50);
    for (const [x, y] of [
      [6, 6],
      [25, 25],
      [43, 43],
    ] as const)
      expect(at(photo, x, y)).toEqual(GREEN);
    expect(photo.timeIds).toEqual([100, 300, 0, 50, 50, 50]);
    expect(photo.mask).toBeNull();
    expect(photo.pixels).toHaveLength(3 * 50 * 50);
  });

  it('is cut from the middle of a tall one', async () => {
    const photo = await loadPhoto(await stripes(100, 300, [RED, BLUE]).png().toBuffer(), 40, 20);
    expect(photo.timeIds).toEqual([300, 100, 50, 0, 20, 40]);
    expect([at(photo, 3, 10), at(photo, 36, 10)]).toEqual([RED, BLUE]);
  });

  it('is enlarged when it is small', async () => {
    const photo = await loadPhoto(await stripes(16, 16, [RED, BLUE]).png().toBuffer(), 64, 64);
    expect([at(photo, 5, 30), at(photo, 60, 30)]).toEqual([RED, BLUE]);
    expect(photo.timeIds).toEqual([16, 16, 0, 0, 64, 64]);
  });

  it('is upright when the camera was turned', async () => {
    // Orientation 6: turn clockwise to see it upright, so left goes up.
    const turned = await stripes(80, 40, [RED, BLUE])
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const photo = await loadPhoto(turned, 40, 80);
    expect(photo.timeIds).toEqual([80, 40, 0, 0, 80, 40]);
    const [top, bottom] = [at(photo, 20, 5), at(photo, 20, 75)];
    expect(top[0]! - top[2]!).toBeGreaterThan(200);
    expect(bottom[2]! - bottom[0]!).toBeGreaterThan(200);
  });

  it('becomes white where it is transparent, and keeps the mask', async () => {
    const data = Buffer.from([255, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 128, 9, 9, 9, 0]);
    const png = await sharp(data, { raw: { width: 2, height: 2, channels: 4 } })
      .png()
      .toBuffer();
    const photo = await loadPhoto(png, 2, 2);
    expect(at(photo, 0, 0)).toEqual(RED);
    expect(at(photo, 1, 0)).toEqual([255, 255, 255]);
    expect(at(photo, 0, 1)).toEqual([127, 127, 255]);
    expect([...photo.mask!].map((a) => Math.round(a * 255))).toEqual([255, 0, 128, 0]);
  });

  it.each<[string, () => Promise<Buffer>]>([
    [
      'grey',
      () =>
        stripes(32, 32, [[128, 128, 128]])
          .toColourspace('b-w')
          .png()
          .toBuffer(),
    ],
    [
      '16 bits a channel',
      () =>
        stripes(32, 32, [[128, 128, 128]])
          .toColourspace('rgb16')
          .png()
          .toBuffer(),
    ],
    [
      'CMYK',
      () =>
        stripes(32, 32, [[128, 128, 128]])
          .toColourspace('cmyk')
          .jpeg({ quality: 100 })
          .toBuffer(),
    ],
    [
      'a palette',
      () =>
        stripes(32, 32, [[128, 128, 128]])
          .png({ palette: true })
          .toBuffer(),
    ],
  ])('may be stored as %s', async (_, make) => {
    for (const value of at(await loadPhoto(await make(), 16, 16), 8, 8))
      // CMYK goes through colour profiles, there and back.
      expect(Math.abs(value - 128)).toBeLessThan(16);
  });

  it('gives the same numbers from a path, from bytes, and again', async () => {
    const path = join(folder, 'same.jpg');
    const noise = Buffer.from(Array.from({ length: 90 * 70 * 3 }, (_, i) => (i * 7919) % 251));
    const bytes = await sharp(noise, { raw: { width: 90, height: 70, channels: 3 } })
      .jpeg()
      .toBuffer();
    await writeFile(path, bytes);
    const first = await loadPhoto(path, 32, 32);
    expect(await loadPhoto(bytes, 32, 32)).toEqual(first);
    expect(await loadPhoto(path, 32, 32)).toEqual(first);
  });

  it("is refused by name when it isn't a photo", async () => {
    await expect(loadPhoto(Buffer.from('hello'), 8, 8, 'cat.png')).rejects.toMatchObject({
      code: 'PHOTO_NOT_IMAGE',
      message: expect.stringContaining('cat.png') as string,
    });
    await expect(loadPhoto(Buffer.alloc(0), 8, 8, 'cat.png')).rejects.toMatchObject({
      code: 'PHOTO_NOT_IMAGE',
    });
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    await expect(loadPhoto(svg, 8, 8)).rejects.toMatchObject({ code: 'PHOTO_NOT_IMAGE' });
  });

  it('is refused when it is truncated or far too large', async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251));
    const png = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    await expect(loadPhoto(png.subarray(0, png.length / 2), 8, 8)).rejects.toMatchObject({
      code: 'PHOTO_DAMAGED',
    });
    // A small file that promises 20,000 × 20,000 pixels.
    const vast = Buffer.from(png);
    vast.writeUInt32BE(20_000, 16);
    vast.writeUInt32BE(20_000, 20);
    vast.writeUInt32BE(crc32(vast.subarray(12, 29)), 29);
    await expect(loadPhoto(vast, 8, 8)).rejects.toMatchObject({ code: 'PHOTO_TOO_LARGE' });
  });
});

describe('a folder of photos', () => {
  it('is listed by name, without other files', async () => {
    const own = await mkdtemp(join(folder, 'list-'));
    for (const name of ['b.PNG', 'a.jpg', 'notes.txt', '.hidden.png', 'c.webp'])
      await writeFile(join(own, name), '');
    expect((await listPhotos(own)).map((path) => basename(path))).toEqual(['a.jpg', 'b.PNG', 'c.webp']);
  });

  it('is refused when it is empty or missing', async () => {
    await expect(listPhotos(await mkdtemp(join(folder, 'empty-')))).rejects.toMatchObject({
      code: 'PHOTOS_MISSING',
    });
    await expect(listPhotos(join(folder, 'none'))).rejects.toMatchObject({ code: 'PHOTOS_MISSING' });
  });
});
