/** @file Which sizes of photos are worth training on: the same in chat and on the command line. */
import { KronaError } from '../errors.ts';

/** Shortest side, pixels. */
const MIN_PHOTO_SIDE = 64;
/** Longest side of a photo that is stored, pixels. */
export const STORED_PHOTO_SIDE = 2048;

/**
 * @param name - the file's name, for messages
 * @throws KronaError PHOTO_TOO_SMALL, PHOTO_TOO_NARROW
 */
export function checkPhotoSize(
  { width, height }: { readonly width: number; readonly height: number },
  name: string,
): void {
  const size = `${width}×${height}`;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < MIN_PHOTO_SIDE)
    throw new KronaError(
      'PHOTO_TOO_SMALL',
      `${name} has ${size} pixels; the shorter side must have at least ${MIN_PHOTO_SIDE}. Send a larger copy.`,
    );
  if ((short * STORED_PHOTO_SIDE) / long < MIN_PHOTO_SIDE)
    throw new KronaError('PHOTO_TOO_NARROW', `${name} has ${size} pixels, which is too narrow. Crop it.`);
}
