/** @file A photo as the flood fill sees it that finds its subject: the same where a mask is made and where it is asked for. */
import type { Sharp } from 'sharp';

/** Sides of a mask at most, pixels: more than the latents of any picture that is trained. */
export const MASK_SIDE = 384;

/** RGB, upright, on white, at most MASK_SIDE a side; for `cutOut`. */
export function forBorderMask(photo: Sharp): Sharp {
  return photo
    .autoOrient()
    .flatten({ background: 'white' })
    .resize(MASK_SIDE, MASK_SIDE, { fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb');
}
