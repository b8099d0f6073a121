/** @file How much a picture changes from pixel to pixel: what a blur loses. */
import { at } from '../../core/at.ts';

/** Sum of squared differences between neighbours along both axes. @param picture [C, size, size] */
export function gradientEnergy(picture: Float32Array, size: number): number {
  let total = 0;
  for (let i = 0; i < picture.length; i++) {
    if ((i + 1) % size !== 0) total += (at(picture, i + 1) - at(picture, i)) ** 2;
    if (Math.floor(i / size) % size !== size - 1) total += (at(picture, i + size) - at(picture, i)) ** 2;
  }
  return total;
}
