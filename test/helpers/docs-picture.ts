/** @file Saves a picture for the docs: in docs/images, or in the folder that the script was given. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

const folder = process.argv[2] ?? join(import.meta.dirname, '../../docs/images');

/** @param png - a screenshot; 256 colours are enough for it and take a third of the bytes */
export async function savePicture(name: string, png: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true });
  await sharp(png)
    .png({ palette: true, effort: 10 })
    .toFile(join(folder, `${name}.png`));
}
