/**
 * @file What an autoencoder makes of drawings that it never saw: mean error, worst picture and sharpness by set, and a sheet
 * with each original above what came back.
 */
import sharp from 'sharp';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { givenParameters } from '../../gpu-worker/models/parameters.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/models/vae.ts';
import { splitDrawings } from './drawings.ts';
import { readAutoencoder } from '../pretrain/autoencoder-folder.ts';
import { compositePicture, fromBytes } from '../pretrain/composite.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { hashName } from '../pretrain/held-out.ts';
import { photoTiles } from './photo-tiles.ts';
import { proceduralArt } from './procedural-art.ts';
import { contactSheet } from '../pretrain/sheet.ts';
import { renderSprite, type Sprite } from '../pretrain/sprites.ts';

/** An original that no training has shown. */
export interface KeptPicture {
  /** The set, `mascots` or `photos`. */
  readonly set: string;
  readonly name: string;
  /** [3,size,size] in [-1, 1]. */
  readonly picture: Float32Array;
  /** For each pixel whether the drawing touches it. */
  readonly drawn: readonly boolean[];
}

/** Of pictures in grey levels of 255. */
export interface QualityFigures {
  readonly pictures: number;
  /** Mean over pictures of the mean absolute error of the drawing's pixels; the plain ground would only flatter it. */
  readonly meanError: number;
  readonly worstError: number;
  readonly worst: string;
  /** Gradient energy of what came back by that of the originals: 1 is as sharp. */
  readonly sharpness: number;
}

/** Share of the picture that a drawing's longer side takes. */
const SCALE = 0.9;
const MASCOT_SEED = 1;

/**
 * So many drawings of each set that no training shows, each on one of the model's backgrounds, and mascots of outlines
 * that no training shows. Always the same ones: of `each` + 1 the first `each` are those of `each`.
 */
export async function keptPictures(data: PretrainData, each: number): Promise<KeptPicture[]> {
  const { kept } = await splitDrawings(data);
  const order = (name: string): number => hashName(`measure autoencoder ${name}`);
  const pictures: KeptPicture[] = [];
  const add = (set: string, name: string, sprite: Sprite): void => {
    const { rgb } = data.backgrounds[hashName(`${set} ${name}`) % data.backgrounds.length]!;
    const placed = {
      sprite,
      x: data.size / 2,
      y: data.size / 2,
      side: SCALE * data.size,
      angle: 0,
      mirror: false,
    };
    const [onBlack, onWhite] = [0, 255].map((level) =>
      compositePicture(data.size, [level, level, level], [placed]),
    );
    const drawn = Array.from({ length: data.size ** 2 }, (_, i) => onWhite![i]! - onBlack![i]! < 1.98);
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

/** Takes pictures [3,size,size] in [-1, 1] through the autoencoder in a folder, without noise; results are clamped. */
export async function openAutoencoder(
  folder: string,
  size: number,
): Promise<{ restore(picture: Float32Array): Promise<Float32Array>; release(): Promise<void> }> {
  const { config, tensors } = await readAutoencoder(folder);
  const parameters = givenParameters(
    new Map([...tensors].map(([name, { shape, data }]) => [name, op.constant(data, shape)])),
  );
  const { mean } = vaeEncoder(config, parameters, op.input('picture', [1, 3, size, size]));
  const session = await Session.create(compile({ restored: vaeDecoder(config, parameters, mean) }));
  return {
    restore: async (picture) =>
      (await session.run({ picture }))['restored'].map((value) => Math.max(-1, Math.min(1, value))),
    release: () => session.release(),
  };
}

/** Figures by set in the order of the pictures, and `all`. */
export function qualityOf(
  pictures: readonly KeptPicture[],
  restored: readonly Float32Array[],
  size: number,
): Record<string, QualityFigures> {
  const rows = pictures.map(({ set, name, picture, drawn }, index) => ({
    set,
    name,
    error: greyLevels(picture, restored[index]!, drawn),
    energy: gradientEnergy(picture, size),
    kept: gradientEnergy(restored[index]!, size),
  }));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const figures = (own: typeof rows): QualityFigures => {
    const [worst] = own.toSorted((a, b) => b.error - a.error);
    return {
      pictures: own.length,
      meanError: sum(own.map(({ error }) => error)) / own.length,
      worstError: worst?.error ?? 0,
      worst: worst ? `${worst.set} ${worst.name}` : '',
      sharpness: sum(own.map(({ kept }) => kept)) / sum(own.map(({ energy }) => energy)),
    };
  };
  const sets = [...new Set(rows.map(({ set }) => set))];
  return {
    ...Object.fromEntries(sets.map((set) => [set, figures(rows.filter((row) => row.set === set))])),
    all: figures(rows),
  };
}

/** Mean absolute difference of two pictures in [-1, 1] where `counted` says so, in grey levels of 255. */
function greyLevels(a: Float32Array, b: Float32Array, counted: readonly boolean[]): number {
  let [total, values] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (!counted[i % counted.length]) continue;
    total += Math.abs(a[i]! - b[i]!);
    values++;
  }
  return (127.5 * total) / values;
}

/** Sum of squared differences of neighbours along both axes. */
function gradientEnergy(picture: Float32Array, size: number): number {
  let total = 0;
  for (let i = 0; i < picture.length; i++) {
    if ((i + 1) % size !== 0) total += (picture[i + 1]! - picture[i]!) ** 2;
    if (Math.floor(i / size) % size !== size - 1) total += (picture[i + size]! - picture[i]!) ** 2;
  }
  return total;
}

/**
 * A sheet of the pictures, each original above what came back with its mean error.
 *
 * @param each so many of each set, the first ones
 */
export async function qualitySheet(
  pictures: readonly KeptPicture[],
  restored: readonly Float32Array[],
  size: number,
  each = 8,
): Promise<Buffer> {
  const shown = new Map<string, number>();
  const cells = pictures.flatMap(({ set, name, picture, drawn }, index) => {
    const before = shown.get(set) ?? 0;
    shown.set(set, before + 1);
    if (before >= each) return [];
    const both = new Float32Array(6 * size * size);
    for (let c = 0; c < 3; c++)
      [picture, restored[index]!].forEach((one, half) =>
        both.set(one.subarray(c * size * size, (c + 1) * size * size), (2 * c + half) * size * size),
      );
    return [
      { image: both, label: `${set}, ${name}: ${greyLevels(picture, restored[index]!, drawn).toFixed(1)}` },
    ];
  });
  // A set's pictures fill a row.
  const columns = Math.min(each, Math.max(...shown.values()));
  return contactSheet(cells, { columns, size, height: 2 * size });
}

/** Pictures of each set at a point of a curve. */
const ON_CURVE = 3;

/** Means of a few kept drawings, of the mascots among them, for a run's curve. @returns what measures a folder */
export async function autoencoderCurve(data: PretrainData) {
  const pictures = await keptPictures(data, ON_CURVE);
  return async (folder: string): Promise<Record<string, number>> => {
    const { all, mascots } = await measureAutoencoder(folder, pictures, data.size);
    return {
      error: all!.meanError,
      worst: all!.worstError,
      sharpness: all!.sharpness,
      mascots: mascots!.meanError,
      mascotSharpness: mascots!.sharpness,
    };
  };
}

export async function measureAutoencoder(
  folder: string,
  pictures: readonly KeptPicture[],
  size: number,
): Promise<Record<string, QualityFigures>> {
  return qualityOf(pictures, await restoreAll(folder, pictures, size), size);
}

export async function restoreAll(
  folder: string,
  pictures: readonly KeptPicture[],
  size: number,
): Promise<Float32Array[]> {
  const autoencoder = await openAutoencoder(folder, size);
  try {
    const restored: Float32Array[] = [];
    for (const { picture } of pictures) restored.push(await autoencoder.restore(picture));
    return restored;
  } finally {
    await autoencoder.release();
  }
}
