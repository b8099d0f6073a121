/** @file Writes pictures as PNG files. */
import { writeWhole } from '../../core/files.ts';
import { encodeEnlarged, encodePng } from '../../core/pictures/encode.ts';
import { withParameters } from '../../core/pictures/png-parameters.ts';
import type { DrawnPicture } from './text-to-image.ts';

/**
 * The file appears whole or not at all.
 *
 * @param parameters the text of core/pictures/png-parameters.ts to put into it; none by default
 * @throws KronaError FILE_UNWRITABLE
 */
export async function writePicture(path: string, picture: DrawnPicture, parameters?: string): Promise<void> {
  const png = await encodePng(picture);
  await writeWhole(path, parameters === undefined ? png : withParameters(png, parameters));
}

/** As `writePicture`, enlarged to a size. */
export async function writeEnlarged(
  path: string,
  picture: DrawnPicture,
  size: Pick<DrawnPicture, 'width' | 'height'>,
): Promise<void> {
  await writeWhole(path, await encodeEnlarged(picture, size));
}
