import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkPhoto } from '../../commands/photos/photo-check.ts';
import { looksTheSame, photoPrint } from '../../commands/photos/photo-likeness.ts';
import { KronaError } from '../../core/errors.ts';
import { scene } from './helpers.ts';

async function refusal(bytes: Uint8Array): Promise<string> {
  try {
    await checkPhoto(bytes, 'cat.png');
  } catch (error) {
    if (error instanceof KronaError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

/** Mean difference to a scene, of 255. */
async function differenceTo(reference: Sharp, png: Uint8Array): Promise<number> {
  const [a, b] = await Promise.all([
    sharp(await reference.png().toBuffer())
      .removeAlpha()
      .raw()
      .toBuffer(),
    sharp(png).removeAlpha().raw().toBuffer(),
  ]);
  expect(b.length).toBe(a.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
}

describe('a photo', () => {
  it.each(['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const)(
    'in %s becomes an 8-bit sRGB PNG',
    async (format) => {
      const { png, width, height } = await checkPhoto(await scene(1).toFormat(format).toBuffer(), 'cat');
      expect([width, height]).toEqual([200, 160]);
      expect(await sharp(png).metadata()).toMatchObject({ format: 'png', depth: 'uchar', space: 'srgb' });
      expect(await differenceTo(scene(1), png)).toBeLessThan(6);
    },
  );

  it('is recognised by its content, not its name', async () => {
    const { width } = await checkPhoto(await scene(1).jpeg().toBuffer(), 'cat.txt');
    expect(width).toBe(200);
    expect(await refusal(Buffer.from('<html><body>Please log in</body></html>'))).toMatch(
      /^PHOTO_NOT_IMAGE: cat\.png/,
    );
  });

  it('in CMYK roughly keeps its colours', async () => {
    const cmyk = await scene(2).toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    const { png } = await checkPhoto(cmyk, 'cat.jpg');
    expect(await sharp(png).metadata()).toMatchObject({ channels: 3, space: 'srgb' });
    expect(await differenceTo(scene(2), png)).toBeLessThan(40);
  });

  it.each(['rgb16', 'grey16', 'b-w'] as const)('in %s becomes 8-bit RGB', async (space) => {
    const { png } = await checkPhoto(await scene(3).toColourspace(space).png().toBuffer(), 'cat.png');
    expect(await sharp(png).metadata()).toMatchObject({ channels: 3, depth: 'uchar', space: 'srgb' });
  });

  it('keeps its transparency', async () => {
    const { png } = await checkPhoto(await scene(4).ensureAlpha(0.5).png().toBuffer(), 'cat.png');
    const alpha = await sharp(png).extractChannel('alpha').raw().toBuffer();
    expect(Math.abs(alpha[0]! - 128)).toBeLessThanOrEqual(1);
  });

  it('is turned upright, and loses its location, time and camera', async () => {
    const bytes = await scene(5)
      .withExif({ IFD0: { Make: 'Spycam' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } })
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 95 })
      .toBuffer();
    const { png, width, height } = await checkPhoto(bytes, 'cat.jpg');
    expect([width, height]).toEqual([160, 200]);
    expect(await differenceTo(sharp(await scene(5).png().toBuffer()).rotate(90), png)).toBeLessThan(6);
    const { exif, icc, xmp, iptc, orientation } = await sharp(png).metadata();
    expect([exif, icc, xmp, iptc, orientation]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(png.includes('Spycam')).toBe(false);
  });

  it('that is animated becomes its first frame, with a note', async () => {
    const frames = await Promise.all([6, 7].map((seed) => scene(seed).png().toBuffer()));
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    const { png, notes } = await checkPhoto(gif, 'cat.gif');
    expect(notes.join()).toContain('first frame');
    expect(await differenceTo(scene(6), png)).toBeLessThan(6);
  });

  it('that is large is made smaller, up to a limit on the size in its header', async () => {
    const flat = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: 'teal' } })
        .png()
        .toBuffer();
    const { width, height } = await checkPhoto(await flat(3000, 1500), 'cat.png');
    expect([width, height]).toEqual([2048, 1024]);
    // A small file that unfolds into 20,000×20,000 pixels: the frame header (SOF0) of a JPEG says so.
    const bomb = await scene(1).jpeg().toBuffer();
    const frame = bomb.indexOf(Buffer.from([0xff, 0xc0]));
    bomb.writeUInt16BE(20_000, frame + 5);
    bomb.writeUInt16BE(20_000, frame + 7);
    expect(await refusal(bomb)).toMatch(/^PHOTO_TOO_LARGE: .*20000×20000.*64 megapixels/);
    expect(await refusal(await flat(63, 400))).toMatch(/^PHOTO_TOO_SMALL: .*63×400.*at least 64/);
    expect(await refusal(await flat(64, 4000))).toMatch(/^PHOTO_TOO_NARROW/);
  });

  it('that is empty, over the byte limit, a drawing or an iPhone original is refused with advice', async () => {
    expect(await refusal(Buffer.alloc(0))).toMatch(/^PHOTO_EMPTY: cat\.png has 0 bytes/);
    expect(await refusal(Buffer.alloc(33 * 1024 * 1024))).toMatch(/^PHOTO_TOO_LARGE: .*33 MiB.*32 MiB/);
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"><rect width="9" height="9"/></svg>';
    expect(await refusal(Buffer.from(svg))).toMatch(/^PHOTO_NOT_IMAGE: .*SVG/);
    expect(await refusal(Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'))).toMatch(
      /^PHOTO_NOT_IMAGE: .*HEIC.*JPEG/,
    );
  });

  it.each(['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const)(
    'in %s that is truncated is refused',
    async (format) => {
      const bytes = await scene(8).toFormat(format).toBuffer();
      for (const part of [0.5, 0.9])
        expect(await refusal(bytes.subarray(0, Math.floor(bytes.length * part)))).toMatch(
          /^PHOTO_DAMAGED: .*incomplete/,
        );
    },
  );
});

describe('near-duplicates', () => {
  const print = async (image: Sharp) => photoPrint(await image.png().toBuffer());

  it('are found across quality, size and format', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const original = await print(scene(seed, 400, 300));
      const worse = await photoPrint(await scene(seed, 400, 300).jpeg({ quality: 40 }).toBuffer());
      const smaller = await print(scene(seed, 120, 90));
      expect(looksTheSame(original, worse)).toBe(true);
      expect(looksTheSame(original, smaller)).toBe(true);
    }
  });

  it('are not seen in different photos, flat ones of other colours, or mirrored ones', async () => {
    const prints = await Promise.all(Array.from({ length: 20 }, (_, seed) => print(scene(seed + 1))));
    for (const [i, a] of prints.entries())
      for (const b of prints.slice(i + 1)) expect(looksTheSame(a, b)).toBe(false);
    const flat = (background: string) =>
      print(sharp({ create: { width: 99, height: 99, channels: 3, background } }));
    expect(looksTheSame(await flat('red'), await flat('blue'))).toBe(false);
    const mirrored = await print(sharp(await scene(1).png().toBuffer()).flop());
    expect(looksTheSame(prints[0]!, mirrored)).toBe(false);
  });
});
