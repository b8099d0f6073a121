/** @file The numbers of a micro-batch's rows: latents of views, and the noise that goes on them. */
import { at } from '../../core/at.ts';
import type { KeyedRandom } from '../../core/random.ts';
import type { VaeConfig } from '../models/model-configs.ts';
import type { CachedView } from './photo-cache.ts';

/**
 * Samples the latents of each view.
 *
 * @returns scaled latents [R,C,h,w], and the numbers about each photo [R, count]
 */
export function latentRows(
  views: readonly CachedView[],
  { scaling_factor: factor, shift_factor: shift }: Pick<VaeConfig, 'scaling_factor' | 'shift_factor'>,
  random: KeyedRandom,
): { readonly latents: Float32Array; readonly timeIds: Float32Array } {
  const size = at(views, 0).mean.length;
  const told = at(views, 0).timeIds.length;
  const latents = new Float32Array(views.length * size);
  const timeIds = new Float32Array(views.length * told);
  for (const [row, { mean, deviation, timeIds: sizes }] of views.entries()) {
    for (let i = 0; i < size; i++)
      latents[row * size + i] = (mean[i]! + deviation[i]! * random.normal() - shift) * factor;
    timeIds.set(sizes, row * told);
  }
  return { latents, timeIds };
}

/**
 * Adds offset noise (N. Guttenberg, "Diffusion with offset noise", 2023): a constant over each channel of each row.
 * Independent noise per pixel hardly changes a picture's mean colour, so training would hardly reach it.
 *
 * @param area positions of a channel
 */
export function addOffset(noise: Float32Array, area: number, deviation: number, random: KeyedRandom): void {
  for (let channel = 0; channel < noise.length / area; channel++) {
    const offset = deviation * random.normal();
    for (let i = channel * area; i < (channel + 1) * area; i++) noise[i]! += offset;
  }
}
