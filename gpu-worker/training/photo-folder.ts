/** @file The photos of a folder, by content whatever their names, and why each other file is not one. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, parse } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { findCaptions, isCaptionFile, isMaskFile } from './photo-sidecars.ts';

/** A file with one of these endings must be a photo: another content is an error, and not passed over. */
const PHOTO_ENDING = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif)$/i;

export interface PhotoFolder {
  /** Paths, by name. */
  readonly photos: readonly string[];
  /** What is neither a photo nor the caption or mask of one, by name. Hidden files are not listed. */
  readonly unused: readonly UnusedFile[];
}

export interface UnusedFile {
  readonly file: string;
  /** A sentence that names it. */
  readonly reason: string;
}

/** @throws KronaError PHOTOS_MISSING (no such folder, or no photo in it) */
export async function readPhotoFolder(folder: string): Promise<PhotoFolder> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new KronaError('PHOTOS_MISSING', `There is no folder ${basename(folder)} with photos.`, { cause });
  });
  const photos: string[] = [];
  const unused: UnusedFile[] = [];
  const beside: string[] = [];
  for (const name of names.sort((a, b) => (a < b ? -1 : 1))) {
    if (name.startsWith('.')) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    if (info?.isDirectory()) {
      if (name !== 'masks')
        unused.push({ file: name, reason: `${name} is a folder; put its photos beside the others.` });
    } else if (!info?.isFile()) unused.push({ file: name, reason: `${name} is not a file.` });
    else if (isMaskFile(name) || isCaptionFile(name)) beside.push(name);
    else {
      const problem = PHOTO_ENDING.test(name) ? null : await problemOf(join(folder, name));
      if (problem === null) photos.push(join(folder, name));
      else unused.push({ file: name, reason: problem });
    }
  }
  unused.push(...(await strays(beside, photos)));
  if (photos.length === 0) throw noPhotos(folder, unused);
  return { photos, unused: unused.sort((a, b) => (a.file < b.file ? -1 : 1)) };
}

/** Paths of the photos in a folder, by name. @throws KronaError PHOTOS_MISSING */
export async function listPhotos(folder: string): Promise<string[]> {
  return [...(await readPhotoFolder(folder)).photos];
}

/** Why a file is no photo; null when it is one. */
async function problemOf(path: string): Promise<string | null> {
  try {
    await Picture.open(path, basename(path));
    return null;
  } catch (error) {
    return error instanceof KronaError ? error.message : `${basename(path)} cannot be read.`;
  }
}

/** Captions and masks that no photo has. */
async function strays(names: readonly string[], photos: readonly string[]): Promise<UnusedFile[]> {
  const captions = new Set(
    (await findCaptions(photos)).flatMap((path) => (path === null ? [] : basename(path))),
  );
  const stems = new Set(photos.map((path) => parse(path).name));
  return names.flatMap((file) => {
    if (isMaskFile(file))
      return stems.has(file.replace(/\.mask\.png$/i, ''))
        ? []
        : [{ file, reason: `${file} is the mask of no photo here.` }];
    if (captions.has(file)) return [];
    const reason = stems.has(parse(file).name)
      ? `${file} is a second caption of its photo.`
      : `${file} is the caption of no photo here.`;
    return [{ file, reason }];
  });
}

function noPhotos(folder: string, unused: readonly UnusedFile[]): KronaError {
  const found = unused.slice(0, 3).map(({ reason }) => ` ${reason}`);
  return new KronaError(
    'PHOTOS_MISSING',
    `The folder ${basename(folder)} holds no photos; put PNG, JPEG, WebP, GIF, TIFF or AVIF files there.${found.join('')}`,
  );
}
