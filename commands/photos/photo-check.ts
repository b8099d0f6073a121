/**
 * @file Checks a photo by decoding it, never by its name, and encodes it again: Krona stores an upright 8-bit sRGB PNG
 * without metadata (no place, time or camera).
 */
import { KronaError } from '../../core/errors.ts';
import { checkPhotoSize, STORED_PHOTO_SIDE } from '../../core/pictures/photo-size.ts';
import { Picture } from '../../core/pictures/picture.ts';

/** Largest file, bytes. */
export const MAX_PHOTO_BYTES = 32 * 1024 * 1024;
const WANTED = 'send a PNG, JPEG, WebP, GIF, TIFF or AVIF file';

interface CheckedPhoto {
  readonly png: Buffer;
  readonly width: number;
  readonly height: number;
  /** Pixels of the file as it came, upright. */
  readonly sent: { readonly width: number; readonly height: number };
  /** Changes that the sender should know about, such as that only the first frame is kept. */
  readonly notes: readonly string[];
}

/**
 * Checks one file and encodes it again.
 *
 * @param name - the file's name, for messages
 * @throws KronaError PHOTO_EMPTY, PHOTO_TOO_LARGE, PHOTO_NOT_IMAGE, PHOTO_TOO_SMALL, PHOTO_TOO_NARROW, PHOTO_DAMAGED,
 * PHOTO_SLOW
 */
export async function checkPhoto(bytes: Uint8Array, name: string): Promise<CheckedPhoto> {
  if (bytes.length === 0) throw new KronaError('PHOTO_EMPTY', `${name} has 0 bytes; ${WANTED}.`);
  if (bytes.length > MAX_PHOTO_BYTES) throw tooManyBytes(name, bytes.length);
  const photo = await Picture.open(bytes, name);
  checkPhotoSize(photo.header, name);
  const { data, info } = await photo.render((image) =>
    image
      .autoOrient()
      .resize({
        width: STORED_PHOTO_SIDE,
        height: STORED_PHOTO_SIDE,
        fit: 'inside',
        withoutEnlargement: true,
      })
      .toColourspace('srgb')
      .png({ compressionLevel: 6, adaptiveFiltering: false, palette: false }),
  );
  const notes = photo.hasFrames ? ['only the first frame of the animation is kept'] : [];
  const sent = { width: photo.width, height: photo.height };
  return { png: data, width: info.width, height: info.height, sent, notes };
}

/** The error for a file that is too large, by its declared or actual size. */
export function tooManyBytes(name: string, size: number): KronaError {
  const mebibytes = (bytes: number): number => Math.ceil(bytes / 1024 ** 2);
  return new KronaError(
    'PHOTO_TOO_LARGE',
    `${name} has ${mebibytes(size)} MiB; at most ${mebibytes(MAX_PHOTO_BYTES)} MiB are allowed. Send a smaller copy.`,
  );
}
