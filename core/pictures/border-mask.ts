/** @file Prepares a photo for the flood fill that finds its subject, the same way for the check and for the mask. */
import type { Sharp } from 'sharp';

/** Longest side of a mask, pixels: more than the latents of any training picture have. */
export const MASK_SIDE = 384;

/** Returns the photo for `cutOut`: sRGB, upright, on white, at most MASK_SIDE pixels a side. */
export function forBorderMask(photo: Sharp): Sharp {
  return photo
    .autoOrient()
    .flatten({ background: 'white' })
    .resize(MASK_SIDE, MASK_SIDE, { fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb');
}
