/**
 * @file What lies beside the photos of a folder: captions in `photo.txt` or `photo.caption`, masks in `photo.mask.png` or
 * `masks/photo.png`.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { isFile } from '../../core/files.ts';
import { readSmallBytes } from '../models/small-file.ts';
import { readCaption } from './caption-file.ts';

/** Endings of caption files in any case; the first that a photo has counts. */
const CAPTION_ENDINGS = ['.txt', '.caption'];
/** Bytes of a caption file, of which one line is read. */
const MOST_BYTES = 1 << 20;

/** Whether a file's name is that of a caption, of some photo or none. */
export const isCaptionFile = (name: string): boolean =>
  CAPTION_ENDINGS.includes(parse(name).ext.toLowerCase());

/** Whether a file's name is that of a mask beside a photo: `photo.mask.png`. */
export const isMaskFile = (name: string): boolean => /\.mask\.png$/i.test(name);

/** Paths of each photo's caption file; null where there is none. */
export async function findCaptions(photos: readonly string[]): Promise<(string | null)[]> {
  const folders = new Map<string, ReadonlyMap<string, string>>();
  const found: (string | null)[] = [];
  for (const photo of photos) {
    const folder = dirname(photo);
    const files = folders.get(folder) ?? (await captionFiles(folder));
    folders.set(folder, files);
    const keys = CAPTION_ENDINGS.map((ending) => parse(photo).name + ending);
    const name = keys.map((key) => files.get(key)).find((each) => each !== undefined);
    found.push(name === undefined ? null : join(folder, name));
  }
  return found;
}

/** The caption files of a folder, by name with the ending in small letters. */
async function captionFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  // Of two that differ in case alone, the one in small letters comes last, so it counts.
  for (const name of (await readdir(folder)).filter(isCaptionFile).sort())
    if (await isFile(join(folder, name))) found.set(parse(name).name + parse(name).ext.toLowerCase(), name);
  return found;
}

/**
 * The caption of each photo: the first line with text of its caption file; null where there is none.
 *
 * @throws KronaError CAPTION_UNREADABLE, CAPTION_TOO_LONG, FILE_TOO_LARGE
 */
export async function readCaptions(photos: readonly string[]): Promise<(string | null)[]> {
  const captions: (string | null)[] = [];
  for (const path of await findCaptions(photos))
    captions.push(path === null ? null : readCaption(await bytesOf(path), basename(path)));
  return captions;
}

async function bytesOf(path: string): Promise<Uint8Array> {
  const bytes = await readSmallBytes(path, MOST_BYTES);
  if (bytes === null)
    throw new KronaError(
      'CAPTION_UNREADABLE',
      `${basename(path)} can't be opened. Check its permissions, or use --no-captions.`,
    );
  return bytes;
}

/** Paths of each photo's mask; null where there is none. */
export async function findMasks(photos: readonly string[]): Promise<(string | null)[]> {
  return Promise.all(
    photos.map(async (photo) => {
      const { dir, name } = parse(photo);
      for (const path of [join(dir, `${name}.mask.png`), join(dir, 'masks', `${name}.png`)])
        if (await isFile(path)) return path;
      return null;
    }),
  );
}
