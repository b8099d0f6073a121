/**
 * @file Shows latents without a decoder: a linear map from a latent's channels to the colour of its pixels, fitted to what the
 * model's own encoder makes of flat colours and soft edges. One pixel a latent.
 */
import { Matrix, solve } from 'ml-matrix';
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';
import { openEncoder } from '../models/autoencoder.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { vaeScale } from '../models/vae.ts';

/** For each of red, green and blue: a weight for each channel of scaled latents, then a constant. */
export type LatentColours = readonly (readonly number[])[];

/** Latents a side of the pictures that the fit sees, how many there are, and how many colours each has a side. */
const [SIDE, PICTURES, PATCHES] = [16, 6, 4];
/** Keeps the fit defined where channels move together. */
const RIDGE = 1e-3;

/** Fits the map. Takes the encoding of six small pictures. */
export async function fitLatentColours(model: ModelFolder): Promise<LatentColours> {
  const { scaling_factor: factor, shift_factor: shift } = model.vae.config;
  const scale = vaeScale(model.vae.config);
  const encoder = await openEncoder(model, SIDE * scale, SIDE * scale);
  const latents: Float32Array[] = [];
  const colours: Float32Array[] = [];
  try {
    for (let picture = 0; picture < PICTURES; picture++) {
      const small = patches(picture);
      const { mean } = await encoder.encode(enlarged(small, scale));
      latents.push(mean.map((x) => (x - shift) * factor));
      colours.push(small);
    }
  } finally {
    await encoder.release();
  }
  return leastSquares(latents, colours, model.vae.config.latent_channels);
}

/** The picture [3,h,w] of latents [C,h,w], around [-1, 1]. */
export function coloursOf(map: LatentColours, latents: Float32Array): Float32Array {
  const channels = at(map, 0).length - 1;
  const size = latents.length / channels;
  const picture = new Float32Array(3 * size);
  for (const [colour, weights] of map.entries())
    for (let i = 0; i < size; i++) {
      let value = at(weights, channels);
      for (let c = 0; c < channels; c++) value += at(weights, c) * at(latents, c * size + i);
      picture[colour * size + i] = value;
    }
  return picture;
}

/** Random colours in 4×4 patches that run into each other: [3,SIDE,SIDE] in [-1, 1]. */
function patches(picture: number): Float32Array {
  const corners = new KeyedRandom(1, `latent colours ${picture}`).normals(3 * (PATCHES + 1) ** 2);
  const value = (colour: number, y: number, x: number): number =>
    at(corners, (colour * (PATCHES + 1) + y) * (PATCHES + 1) + x);
  return Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => {
    const [colour, row, column] = [Math.floor(i / SIDE ** 2), Math.floor(i / SIDE) % SIDE, i % SIDE];
    const [y, x] = [(row * PATCHES) / SIDE, (column * PATCHES) / SIDE];
    const [top, left] = [Math.floor(y), Math.floor(x)];
    const [down, right] = [y - top, x - left];
    const above = value(colour, top, left) * (1 - right) + value(colour, top, left + 1) * right;
    const below = value(colour, top + 1, left) * (1 - right) + value(colour, top + 1, left + 1) * right;
    return Math.tanh(above * (1 - down) + below * down);
  });
}

/** Each pixel `scale` times as wide and high. */
function enlarged(small: Float32Array, scale: number): Float32Array {
  const side = SIDE * scale;
  return Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const [colour, row, column] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    return at(small, (colour * SIDE + Math.floor(row / scale)) * SIDE + Math.floor(column / scale));
  });
}

/** The map with the least squared error over all pixels, by the normal equations. */
function leastSquares(
  latents: readonly Float32Array[],
  colours: readonly Float32Array[],
  channels: number,
): LatentColours {
  const rows = (pictures: readonly Float32Array[], width: number): Matrix =>
    Matrix.zeros(pictures.length * SIDE ** 2, width).apply(function set(row, column) {
      const [picture, pixel] = [at(pictures, Math.floor(row / SIDE ** 2)), row % SIDE ** 2];
      this.set(
        row,
        column,
        column * SIDE ** 2 < picture.length ? at(picture, column * SIDE ** 2 + pixel) : 1,
      );
    });
  // The last term of each row is the constant's.
  const [x, y] = [rows(latents, channels + 1), rows(colours, 3)];
  const left = Matrix.add(x.transpose().mmul(x), Matrix.eye(channels + 1).mul(RIDGE));
  return solve(left, x.transpose().mmul(y)).transpose().to2DArray();
}
