/** @file The one place that decodes pictures: what it refuses before any decoder sees it, and how many run at once. */
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { Picture } from '../../core/pictures/picture.ts';
import { Slots } from '../../core/slots.ts';

const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';

it.each([
  ['plain', svg],
  ['behind an XML declaration', `<?xml version="1.0"?>${svg}`],
  ['behind a mark and spaces', `\ufeff \n${svg}`],
  ['behind a comment', `<!-- cat.png -->${svg}`],
  ['in an encoding that is no ASCII', Buffer.from(svg, 'utf16le')],
])('an SVG is refused before decoding, %s', async (_, content) => {
  await expect(Picture.open(Buffer.from(content as string), 'cat.png')).rejects.toMatchObject({
    code: 'PHOTO_NOT_IMAGE',
  });
});

it('a picture that takes too many bytes when decoded is refused by its header', async () => {
  const deep = await sharp({ create: { width: 7000, height: 7000, channels: 4, background: '#fff' } })
    .toColourspace('rgb16')
    .png({ compressionLevel: 1 })
    .toBuffer();
  await expect(Picture.open(deep, 'deep.png')).rejects.toMatchObject({ code: 'PHOTO_TOO_LARGE' });
});

/** Three frames: red, green, blue. */
const frames = sharp(
  await Promise.all(
    ['#f00', '#0f0', '#00f'].map((background) =>
      sharp({ create: { width: 80, height: 80, channels: 3, background } })
        .png()
        .toBuffer(),
    ),
  ),
  { join: { animated: true } },
);

it.each(['gif', 'webp', 'tiff'] as const)(
  'of a %s file with several frames, a decoder sees only the first',
  async (format) => {
    const picture = await Picture.open(await frames.clone()[format]().toBuffer(), 'three');
    expect([picture.hasFrames, picture.header.pages ?? 1]).toEqual([true, 1]);
    const { data, info } = await picture.render((image) => image.removeAlpha().raw());
    expect([info.width, info.height]).toEqual([80, 80]);
    expect(data[0]).toBeGreaterThan(200);
    expect(data[1]).toBeLessThan(50);
  },
);

it.each(['gif', 'webp', 'tiff', 'png', 'jpeg'] as const)(
  'a %s file with one frame is whole',
  async (format) => {
    const one = sharp({ create: { width: 80, height: 80, channels: 3, background: '#f00' } });
    const picture = await Picture.open(await one[format]().toBuffer(), 'one');
    expect(picture.hasFrames).toBe(false);
    expect((await picture.render((image) => image.png())).info.width).toBe(80);
  },
);

it('a pipeline that fails before it begins delays no other picture', async () => {
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
  const picture = await Picture.open(png, 'one');
  for (let i = 0; i < 3; i++)
    await expect(picture.render((image) => image.resize(-1))).rejects.toMatchObject({
      code: 'PHOTO_DAMAGED',
    });
  expect((await picture.render((image) => image.png())).info.width).toBe(8);
});

it('compressed texts of a PNG file never reach a decoder', async () => {
  const bare = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#f00' } })
    .png()
    .toBuffer();
  const content = Buffer.concat([Buffer.from('zTXtDescription\0\0'), deflateSync('a text')]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length - 4);
  sum.writeUInt32BE(crc32(content));
  // Behind the signature and the header.
  const png = Buffer.concat([bare.subarray(0, 33), length, content, sum, bare.subarray(33)]);
  expect((await sharp(png).metadata()).comments).toHaveLength(1);
  const picture = await Picture.open(png, 'one');
  expect([picture.header.comments, picture.width, picture.hasFrames]).toEqual([undefined, 8, false]);
  const { data } = await picture.render((image) => image.removeAlpha().raw());
  expect([...data.subarray(0, 3)]).toEqual([255, 0, 0]);
  // Whatever lengths it claims.
  for (const length of [0, 5, 2 ** 31, 2 ** 32 - 1]) {
    const damaged = Buffer.from(png);
    damaged.writeUInt32BE(length, png.indexOf('zTXt') - 4);
    const opened = await Picture.open(damaged, 'one').catch((error: unknown) => error);
    if (!(opened instanceof Picture)) expect(opened).toMatchObject({ code: 'PHOTO_DAMAGED' });
  }
});

it('an AVIF takes 20 bytes a pixel to decode, so it can have fewer pixels', async () => {
  const large = await sharp({ create: { width: 6000, height: 5000, channels: 3, background: '#fff' } })
    .avif({ effort: 0 })
    .toBuffer();
  await expect(Picture.open(large, 'large.avif')).rejects.toMatchObject({ code: 'PHOTO_TOO_LARGE' });
});

it("numbers without a known white are refused, and don't become black", async () => {
  const grey = sharp({ create: { width: 64, height: 64, channels: 3, background: '#888' } });
  const fractions = await grey.toColourspace('scrgb').tiff({ compression: 'none' }).toBuffer();
  expect((await sharp(fractions).metadata()).depth).toBe('float');
  await expect(Picture.open(fractions, 'a.tif')).rejects.toThrow(/a\.tif holds float numbers.*8 or 16 bits/);
});

it.each([
  ['HEIC', 'ftypheic\0\0\0\0mif1heic'],
  ['HEIC', 'ftypmif1\0\0\0\0mif1heix'],
  ['JPEG XL', 'JXL \r\n\x87\n'],
])('a photo in %s, which no decoder here reads, is told how to be sent', async (format, start) => {
  const size = format === 'HEIC' ? '\x18' : '\x0c';
  const head = Buffer.from(`\0\0\0${size}${start}`.padEnd(100, '\0'), 'latin1');
  await expect(Picture.open(head, 'cat')).rejects.toThrow(
    `cat is ${format}, which Krona can’t read. Send it as JPEG or PNG.`,
  );
});

it('work keeps its slot until it ends', async () => {
  const slots = new Slots(1);
  let end!: () => void;
  const first = await slots.start(() => new Promise<void>((resolve) => (end = resolve)));
  let began = false;
  const second = slots.start(async () => void (began = true));
  await Promise.resolve();
  expect(began).toBe(false);
  end();
  await first.work;
  await (
    await second
  ).work;
  expect(began).toBe(true);
});
