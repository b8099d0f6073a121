/**
 * @file Files beside the photos of a folder: captions in `photo.txt`, masks in `photo.mask.png` or `masks/photo.png`.
 */
import { dirname, join, parse } from 'node:path';
import { exists, readFileIfAny } from '../../core/files.ts';

/** The first line of each photo's caption file, as kohya's trainer reads it; null without a file. */
export async function readCaptions(photos: readonly string[]): Promise<(string | null)[]> {
  return Promise.all(
    photos.map(async (photo) => {
      const text = await readFileIfAny(beside(photo, '.txt'));
      return (
        text
          ?.replace(/^\uFEFF/, '')
          .replace(/\n.*/s, '')
          .trim() || null
      );
    }),
  );
}

/** Path of each photo's mask; null without one. */
export async function findMasks(photos: readonly string[]): Promise<(string | null)[]> {
  return Promise.all(
    photos.map(async (photo) => {
      for (const path of [
        beside(photo, '.mask.png'),
        join(dirname(photo), 'masks', `${parse(photo).name}.png`),
      ])
        if (await exists(path)) return path;
      return null;
    }),
  );
}

/** The path of a photo with another extension. */
const beside = (photo: string, ending: string): string => join(dirname(photo), parse(photo).name + ending);
