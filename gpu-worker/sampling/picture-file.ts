/** @file Writes pictures as PNG files. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import type { DrawnPicture } from './text-to-image.ts';

/** The file appears whole or not at all. @throws KronaError FILE_UNWRITABLE */
export async function writePicture(path: string, picture: DrawnPicture): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, await encodePng(picture));
    await rename(draft, path);
  } catch (cause) {
    throw new KronaError('FILE_UNWRITABLE', `${basename(path)} could not be written.`, { cause });
  } finally {
    await rm(draft, { force: true });
  }
}
