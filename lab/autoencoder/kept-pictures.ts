/** @file Held-out pictures for measuring an autoencoder: drawings and photos. */
import sharp from 'sharp';
import { at } from '../../core/at.ts';
import { fromBytes } from '../../core/pictures/rgb-bytes.ts';
import { compositePicture } from '../pretrain/composite.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { hashName } from '../pretrain/held-out.ts';
import { renderSprite, type Sprite } from '../pretrain/sprites.ts';
import { splitDrawings } from './drawings.ts';
import { photoTiles } from './photo-tiles.ts';
import { proceduralArt } from '../procedural/art.ts';

/** A held-out original. */
export interface KeptPicture {
  /** The set, `mascots` or `photos`. */
  readonly set: string;
  readonly name: string;
  /** [3,size,size] in [-1, 1]. */
  readonly picture: Float32Array;
  /** Whether the drawing covers each pixel. */
  readonly drawn: readonly boolean[];
}

/** Longer side of a drawing, as a share of the picture. */
const SCALE = 0.9;
const MASCOT_SEED = 1;

/**
 * Held-out drawings of each set, each on one of the model's backgrounds, and mascots with held-out outlines.
 * Deterministic: a larger `each` only appends.
 */
export async function keptPictures(data: PretrainData, each: number): Promise<KeptPicture[]> {
  const { kept } = await splitDrawings(data);
  const order = (name: string): number => hashName(`measure autoencoder ${name}`);
  const pictures: KeptPicture[] = [];
  const add = (set: string, name: string, sprite: Sprite): void => {
    const { rgb } = at(data.backgrounds, hashName(`${set} ${name}`) % data.backgrounds.length);
    const placed = {
      sprite,
      x: data.size / 2,
      y: data.size / 2,
      side: SCALE * data.size,
      angle: 0,
      mirror: false,
    };
    const on = (level: number): Float32Array => compositePicture(data.size, [level, level, level], [placed]);
    const [black, white] = [on(0), on(255)];
    // Where only the background shows, the two differ by 2.
    const drawn = Array.from({ length: data.size ** 2 }, (_, i) => at(white, i) - at(black, i) < 1.98);
    pictures.push({ set, name, picture: compositePicture(data.size, rgb, [placed]), drawn });
  };
  for (const set of new Set(kept.map((drawing) => drawing.set))) {
    const own = kept.filter((drawing) => drawing.set === set).sort((a, b) => order(a.hex) - order(b.hex));
    let left = each;
    for (const { label, svg } of own) {
      if (left === 0) break;
      const source = await svg();
      if (!source) continue;
      add(set, label, await renderSprite(source));
      left--;
    }
  }
  for (let index = 0; index < each; index++) {
    const svg = proceduralArt('mascot', MASCOT_SEED, index, true);
    add('mascots', `mascot ${index + 1}`, await renderSprite(Buffer.from(svg)));
  }
  return pictures;
}

/** Squares of the photos in a folder, the first `each`, as pictures of the set `photos`; every pixel counts. */
export async function keptPhotos(folder: string, size: number, each: number): Promise<KeptPicture[]> {
  const tiles = (await photoTiles(folder)).slice(0, each);
  return Promise.all(
    tiles.map(async (tile, index) => {
      const bytes = await sharp(tile).resize(size, size).raw().toBuffer();
      const drawn = Array.from({ length: size ** 2 }, () => true);
      return { set: 'photos', name: `square ${index + 1}`, picture: fromBytes(bytes), drawn };
    }),
  );
}
