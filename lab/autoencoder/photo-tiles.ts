/**
 * @file Cuts photos into squares of a sprite's size, at several scales, so that the autoencoder handles members' photos
 * too.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Picture } from '../../core/pictures/picture.ts';
import { drawingSide } from '../pretrain/sprites.ts';

/** Squares along a photo's shorter side at each scale that doesn't enlarge it. */
const ACROSS = [1, 2, 3];

/**
 * PNG files of 124×124 pixels: squares side by side from the top left of each photo, at up to three scales.
 *
 * @param folder of JPEG, PNG and WebP files; other files are skipped
 * @throws KronaError as `Picture`; the error of the file system when the folder is missing
 */
export async function photoTiles(folder: string): Promise<Buffer[]> {
  const names = (await readdir(folder)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
  const tiles: Buffer[] = [];
  for (const name of names) {
    const photo = await Picture.open(join(folder, name), name);
    const most = Math.max(1, Math.floor(Math.min(photo.width, photo.height) / drawingSide));
    for (const across of ACROSS) if (across <= most) tiles.push(...(await tilesOf(photo, across)));
  }
  return tiles;
}

async function tilesOf(photo: Picture, across: number): Promise<Buffer[]> {
  const side = across * drawingSide;
  const { data: scaled, info } = await photo.render((image) =>
    image
      .rotate()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .resize(side, side, { fit: 'outside' })
      .png(),
  );
  const { width, height } = info;
  const [columns, rows] = [Math.floor(width / drawingSide), Math.floor(height / drawingSide)];
  return Promise.all(
    Array.from({ length: columns * rows }, (_, i) =>
      sharp(scaled)
        .extract({
          left: (i % columns) * drawingSide,
          top: Math.floor(i / columns) * drawingSide,
          width: drawingSide,
          height: drawingSide,
        })
        .png()
        .toBuffer(),
    ),
  );
}
