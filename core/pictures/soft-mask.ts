/** @file Masks made softer and wider. */
import { fromPixels } from './encode.ts';

/** A mask of one picture, 8 bits a pixel, rows from the top. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly mask: Uint8Array;
}

/** @param sigma of the Gaussian, pixels */
export async function softened({ width, height, mask }: Mask, sigma: number): Promise<Uint8Array> {
  return fromPixels(mask, { width, height, channels: 1 }).blur(sigma).extractChannel(0).raw().toBuffer();
}

/** Where a tenth of the surroundings within `sigma` pixels or so is white, all is. */
export async function widened(mask: Mask, sigma: number): Promise<Uint8Array> {
  // sharp would apply a threshold before the blur.
  return (await softened(mask, sigma)).map((value) => (value >= 25 ? 255 : 0));
}
