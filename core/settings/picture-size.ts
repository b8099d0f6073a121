/** @file Sizes of pictures: what a setting means on a model, and which sizes suit it. */
import { KronaError } from '../errors.ts';
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

/** Sides of a picture relative to the model's own: outside of this it draws things twice, or none at all. */
export const SIDES = { least: 0.5, most: 2 } as const;

/**
 * The size of a shape on a model: of about the area that the model was trained on, within the sides that suit it.
 *
 * @param shape width / height
 */
export function sizeOfShape(shape: number, { nativeSize, sizeMultiple }: ModelCard): PictureSize {
  // As buckets are cut: an eighth of the side on small models, 64 pixels on large ones.
  const step = Math.max(sizeMultiple, Math.min(64, nativeSize / 8));
  const side = (share: number): number => {
    const within = Math.min(SIDES.most, Math.max(SIDES.least, share));
    return Math.round((nativeSize * within) / step) * step;
  };
  return `${side(Math.sqrt(shape))}x${side(1 / Math.sqrt(shape))}`;
}

/** The longest shapes whose sides suit a model, width / height. */
const MOST_SHAPE = SIDES.most / SIDES.least;

/** Reads a shape such as `3:2`, width to height. @throws KronaError SHAPE_INVALID */
export function readShape(typed: string): number {
  const [, width, height] = /^(\d{1,4}(?:\.\d+)?)\s*[:/x×]\s*(\d{1,4}(?:\.\d+)?)$/i.exec(typed.trim()) ?? [];
  const shape = Number(width) / Number(height);
  if (shape >= 1 / MOST_SHAPE && shape <= MOST_SHAPE) return shape;
  throw new KronaError(
    'SHAPE_INVALID',
    `\`--ar\` must be width to height, from 1:${MOST_SHAPE} to ${MOST_SHAPE}:1, such as 3:2; you gave “${typed.slice(0, 40)}”.`,
  );
}

/** Sizes that suit a model, the square first. */
export function suggestedSizes(model: ModelCard): PictureSize[] {
  return SHAPES.map((shape) => sizeOfShape(shape, model));
}
