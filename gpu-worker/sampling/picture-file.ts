/** @file Writes pictures as PNG files. */
import { writeWhole } from '../../core/files.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import type { DrawnPicture } from './text-to-image.ts';

/** The file appears whole or not at all. @throws KronaError FILE_UNWRITABLE */
export async function writePicture(path: string, picture: DrawnPicture): Promise<void> {
  await writeWhole(path, await encodePng(picture));
}
