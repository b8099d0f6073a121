/** @file Sizes of pictures: what a setting means on a model, and which sizes suit it. */
import type { PictureSize } from './choices.ts';
import type { ModelCard } from './model-card.ts';

/** Shapes that are suggested, width by height, of about the area that the model was trained on. */
const SHAPES = [1, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16];

/**
 * Width and height of pictures on a model, pixels.
 *
 * @param settings size null: the square that the model was trained on
 */
export function pictureSize(
  { size }: { readonly size: PictureSize | null },
  { nativeSize }: ModelCard,
): { readonly width: number; readonly height: number } {
  const [width = nativeSize, height = nativeSize] = size?.split('x').map(Number) ?? [];
  return { width, height };
}

/** Sizes that suit a model, the square first. */
export function suggestedSizes({ nativeSize, sizeMultiple }: ModelCard): PictureSize[] {
  // As buckets are cut: an eighth of the side on small models, 64 pixels on large ones.
  const step = Math.max(sizeMultiple, Math.min(64, nativeSize / 8));
  const side = (pixels: number): number => Math.round(pixels / step) * step;
  return SHAPES.map(
    (shape): PictureSize => `${side(nativeSize * Math.sqrt(shape))}x${side(nativeSize / Math.sqrt(shape))}`,
  );
}
