/** A folder of photos as people fill it: nothing in it is passed over or guessed in silence. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Picture } from '../../core/pictures/picture.ts';
import { readCaption } from '../../gpu-worker/training/caption-file.ts';
import { readPhotoFolder } from '../../gpu-worker/training/photo-folder.ts';
import { findMasks, readCaptions } from '../../gpu-worker/training/photo-sidecars.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-folder-'));
});
afterAll(() => rm(folder, { recursive: true }));

const picture = () => sharp({ create: { width: 64, height: 64, channels: 3, background: '#c33' } });

describe('a caption file', () => {
  const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');
  it.each([
    ['UTF-8', Buffer.from('a café')],
    ['UTF-8 with its mark', Buffer.from('\uFEFFa café')],
    ['UTF-16, little end first', utf16('a café')],
    ['UTF-16, big end first', utf16('a café').swap16()],
    ['blank lines first, with CR', Buffer.from('\r \ra café\rmore')],
    ['a first line that shows nothing', Buffer.from('\u200b\u2060\na café')],
    ['CR LF', Buffer.from('\r\na café\r\n')],
  ])('is read: %s', (_, bytes) => expect(readCaption(bytes, 'a.txt')).toBe('a café'));

  it('without text has no effect', () => expect(readCaption(Buffer.from(' \n'), 'a.txt')).toBeNull());

  it('that would take all memory is refused', () => {
    const caption = 'a '.repeat(4_999) + 'ab';
    expect(readCaption(Buffer.from(`${caption}\n`), 'a.txt')).toBe(caption);
    expect(() => readCaption(Buffer.from(`\n${caption}c`), 'a.txt')).toThrow(
      /a\.txt has a line of 10001 char/,
    );
  });

  it.each([
    ['Windows-1252', Buffer.from('a cat\ncaf\xe9', 'latin1'), 2],
    ['UTF-16 without its mark', Buffer.from('a cat', 'utf16le'), 1],
    ['half a UTF-16 letter', utf16('a\rb').subarray(0, -1), 2],
  ])('is refused with file and line: %s', (_, bytes, line) => {
    expect(() => readCaption(bytes, 'a.txt')).toThrow(`a.txt, line ${line}:`);
  });
});

it('photos are recognised by content, and every other file is named with the reason', async () => {
  const own = await mkdtemp(join(folder, 'all-'));
  const write = (name: string, content: string | Uint8Array) => writeFile(join(own, name), content);
  const jpeg = await picture().jpeg().toBuffer();
  for (const name of ['a.jfif', 'b', 'c.JPG']) await write(name, jpeg);
  await cp(join(import.meta.dirname, '../fixtures/pictures/animated.avif'), join(own, 'd.avif'));
  await write('e.heic', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0', 'latin1'));
  await write('f.bmp', Buffer.from('BM\0\0\0\0\0\0\0\0', 'latin1'));
  await write('g.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await write('a.CAPTION', 'a cat');
  await write('c.TXT', 'a red cat');
  await write('c.caption', 'another');
  await write('stray.txt', 'nobody');
  await mkdir(join(own, 'more'));
  // Opening one would wait for ever.
  for (const name of ['pipe.png', 'd.txt']) execFileSync('mkfifo', [join(own, name)]);
  const { photos, unused } = await readPhotoFolder(own);
  expect(photos.map((path) => basename(path))).toEqual(['a.jfif', 'b', 'c.JPG', 'd.avif']);
  expect(await readCaptions(photos)).toEqual(['a cat', null, 'a red cat', null]);
  expect(unused.map(({ file }) => file)).toEqual([
    'c.caption',
    'd.txt',
    'e.heic',
    'f.bmp',
    'g.svg',
    'more',
    'pipe.png',
    'stray.txt',
  ]);
  expect(unused.map(({ reason }) => reason).join('\n')).toMatch(
    /second caption[^]*d.txt is not a file[^]*HEIC.*JPEG[^]*BMP[^]*SVG[^]*folder[^]*pipe.png is not a file[^]*caption of no photo/,
  );
});

it('nothing but files is opened beside photos: no pipe, device, folder or circle of links holds a training up', async () => {
  const odd = join(folder, 'odd');
  await mkdir(join(odd, 'masks', 'd.png'), { recursive: true });
  const photos = ['a', 'b', 'c', 'd', 'e'].map((name) => join(odd, `${name}.png`));
  for (const photo of photos) await picture().png().toFile(photo);
  execFileSync('mkfifo', [join(odd, '.pipe'), join(odd, 'a.mask.png')]);
  await symlink('.pipe', join(odd, 'a.txt'));
  await symlink('b.txt', join(odd, 'b.txt'));
  await symlink('masks', join(odd, 'c.txt'));
  await symlink('/dev/zero', join(odd, 'd.txt'));
  await writeFile(join(odd, 'e.txt'), 'a cat');
  expect((await readPhotoFolder(odd)).photos).toEqual(photos);
  expect(await readCaptions(photos)).toEqual([null, null, null, null, 'a cat']);
  expect(await findMasks(photos)).toEqual([null, null, null, null, null]);
  for (const [name, path] of [
    ['pipe', join(odd, '.pipe')],
    ['nothing', join(odd, 'nothing')],
  ] as const)
    await expect(Picture.open(path, name)).rejects.toThrow(`${name} can’t be opened`);
});

it('a caption of megabytes is refused', async () => {
  const photo = join(folder, 'long.png');
  await writeFile(join(folder, 'long.txt'), 'word '.repeat(1 << 18));
  await expect(readCaptions([photo])).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' });
});
