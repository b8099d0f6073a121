/** @file Writes pictures as PNG files. */
import { rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import sharp from 'sharp';
import { KronaError } from '../../core/errors.ts';
import type { DrawnPicture } from './text-to-image.ts';

/** Writes a PNG file atomically. @throws KronaError FILE_UNWRITABLE */
export async function writePicture(path: string, { width, height, pixels }: DrawnPicture): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(draft);
    await rename(draft, path);
  } catch (cause) {
    throw new KronaError('FILE_UNWRITABLE', `${basename(path)} could not be written.`, { cause });
  } finally {
    await rm(draft, { force: true });
  }
}
