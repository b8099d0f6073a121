/** @file Writes pictures as PNG files. */
import { writeWhole } from '../../core/files.ts';
import { encodeEnlarged, encodePng } from '../../core/pictures/encode.ts';
import type { DrawnPicture } from './text-to-image.ts';

/** The file appears whole or not at all. @throws KronaError FILE_UNWRITABLE */
export async function writePicture(path: string, picture: DrawnPicture): Promise<void> {
  await writeWhole(path, await encodePng(picture));
}

/** As `writePicture`, enlarged to a size. */
export async function writeEnlarged(
  path: string,
  picture: DrawnPicture,
  size: Pick<DrawnPicture, 'width' | 'height'>,
): Promise<void> {
  await writeWhole(path, await encodeEnlarged(picture, size));
}
