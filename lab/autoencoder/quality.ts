/**
 * @file How well an autoencoder restores held-out drawings: mean error, worst picture and sharpness by set, and a sheet
 * with each original above the restored picture.
 */
import { at } from '../../core/at.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { givenParameters } from '../../gpu-worker/models/parameters.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/models/vae.ts';
import { readAutoencoder } from '../pretrain/autoencoder-folder.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { gradientEnergy } from '../evaluate/gradient-energy.ts';
import { keptPictures, type KeptPicture } from './kept-pictures.ts';
import { contactSheet } from '../pretrain/sheet.ts';

/** Errors are in grey levels of 255. */
export interface QualityFigures {
  readonly pictures: number;
  /** Mean over pictures of the mean absolute error on the drawing's pixels; the plain background would lower it. */
  readonly meanError: number;
  readonly worstError: number;
  readonly worst: string;
  /** Gradient energy of the restored pictures divided by that of the originals: 1 is as sharp. */
  readonly sharpness: number;
}

/**
 * Encodes and decodes pictures [3,size,size] in [-1, 1] with the autoencoder in a folder, without noise; results are
 * clamped.
 */
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

/** Figures by set, in the order of the pictures, and for `all`. */
export function qualityOf(
  pictures: readonly KeptPicture[],
  restored: readonly Float32Array[],
  size: number,
): Record<string, QualityFigures> {
  const rows = pictures.map(({ set, name, picture, drawn }, index) => ({
    set,
    name,
    error: greyLevels(picture, at(restored, index), drawn),
    energy: gradientEnergy(picture, size),
    kept: gradientEnergy(at(restored, index), size),
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

/** Mean absolute difference of two pictures in [-1, 1] over the `counted` pixels, in grey levels of 255. */
function greyLevels(a: Float32Array, b: Float32Array, counted: readonly boolean[]): number {
  let [total, values] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (!counted[i % counted.length]) continue;
    total += Math.abs(at(a, i) - at(b, i));
    values++;
  }
  return (127.5 * total) / values;
}

/**
 * A sheet of the pictures, each original above the restored one with its mean error.
 *
 * @param each pictures of each set, the first ones
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
      [picture, at(restored, index)].forEach((one, half) =>
        both.set(one.subarray(c * size * size, (c + 1) * size * size), (2 * c + half) * size * size),
      );
    return [
      {
        image: both,
        label: `${set}, ${name}: ${greyLevels(picture, at(restored, index), drawn).toFixed(1)}`,
      },
    ];
  });
  // A row per set.
  const columns = Math.min(each, Math.max(...shown.values()));
  return contactSheet(cells, { columns, size, height: 2 * size });
}

/** Pictures of each set for a point of the curve. */
const ON_CURVE = 3;

/**
 * Mean errors of a few held-out drawings and of the mascots among them, for a run's curve. @returns a function that
 * measures a folder
 */
export async function autoencoderCurve(data: PretrainData) {
  const pictures = await keptPictures(data, ON_CURVE);
  return async (folder: string): Promise<Record<string, number | undefined>> => {
    const figures = await measureAutoencoder(folder, pictures, data.size);
    const [all, mascots] = ['all', 'mascots'].map((set) => figures[set]);
    return {
      error: all?.meanError,
      worst: all?.worstError,
      sharpness: all?.sharpness,
      mascots: mascots?.meanError,
      mascotSharpness: mascots?.sharpness,
    };
  };
}

async function measureAutoencoder(
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
