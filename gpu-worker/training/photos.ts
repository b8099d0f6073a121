/**
 * @file Loads photos for a diffusion model: upright, sRGB, on white, cropped (from the centre by default) to the
 * model's size, in [-1, 1], with the sizes that SDXL reads. Chat photos are checked and re-encoded before this; those
 * of a folder aren't, so nothing is trusted. The same file gives the same numbers.
 */
import { basename } from 'node:path';
import { Picture } from '../../core/pictures/picture.ts';

export interface TrainingPhoto {
  readonly width: number;
  readonly height: number;
  /** [3, height, width], red first, in [-1, 1]. Transparent areas are white. */
  readonly pixels: Float32Array;
  /** [height, width]: opacity of each pixel, in [0, 1]; null for a photo without transparency. */
  readonly mask: Float32Array | null;
  /**
   * SDXL's size conditioning, as diffusers' training scripts give it: original height and width (upright), top and
   * left of the crop in the resized photo, target height and width.
   */
  readonly timeIds: readonly [number, number, number, number, number, number];
}

/** The crop of a photo, after resizing to cover a size. */
export interface PhotoView {
  /** Position of the crop in the excess, from 0 (left, top) to 1 (right, bottom). */
  readonly x: number;
  readonly y: number;
  /** Mirrored left to right before cropping. */
  readonly flip: boolean;
}

export const MIDDLE: PhotoView = { x: 0.5, y: 0.5, flip: false };

/** How large a photo is made to cover a size, and where in it the cut begins, mirrored if it is. */
export function cutOf(
  photo: { readonly width: number; readonly height: number },
  width: number,
  height: number,
  { x, y }: PhotoView,
) {
  const scale = Math.max(width / photo.width, height / photo.height);
  const resizedWidth = Math.max(width, Math.round(photo.width * scale));
  const resizedHeight = Math.max(height, Math.round(photo.height * scale));
  const left = Math.round((resizedWidth - width) * x);
  const top = Math.round((resizedHeight - height) * y);
  return { resizedWidth, resizedHeight, left, top };
}

/**
 * Loads a photo at a size. It is resized (Lanczos) until it covers the size, then cropped to the view.
 *
 * @param source path or bytes
 * @param name as the giver knows it, for messages
 * @throws KronaError PHOTO_NOT_IMAGE, PHOTO_DAMAGED, PHOTO_TOO_LARGE, PHOTO_SLOW
 */
export async function loadPhoto(
  source: string | Uint8Array,
  width: number,
  height: number,
  name = typeof source === 'string' ? basename(source) : 'A photo',
  view = MIDDLE,
): Promise<TrainingPhoto> {
  const photo = await Picture.open(source, name);
  const { header } = photo;
  const { resizedWidth, resizedHeight, left, top } = cutOf(photo, width, height, view);
  const { data: rgba } = await photo.render((image) =>
    image
      .autoOrient()
      // Decoding a JPEG at a lower size would be faster, and softer than Lanczos.
      .resize(resizedWidth, resizedHeight, { kernel: 'lanczos3', fit: 'fill', fastShrinkOnLoad: false })
      // Of a mirrored photo the cut lies as far from the other side.
      .extract({ left: view.flip ? resizedWidth - width - left : left, top, width, height })
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' }),
  );

  const area = width * height;
  const pixels = new Float32Array(3 * area);
  const mask = header.hasAlpha ? new Float32Array(area) : null;
  for (let i = 0; i < area; i++) {
    const from = 4 * (view.flip ? mirrored(i, width) : i);
    const alpha = rgba[from + 3]! / 255;
    if (mask !== null) mask[i] = alpha;
    for (let c = 0; c < 3; c++) {
      const onWhite = rgba[from + c]! * alpha + 255 * (1 - alpha);
      pixels[c * area + i] = onWhite / 127.5 - 1;
    }
  }
  return {
    width,
    height,
    pixels,
    mask,
    timeIds: [photo.height, photo.width, top, left, height, width],
  };
}

/** Index of pixel `i` in mirrored rows. */
export const mirrored = (i: number, width: number): number => i + width - 1 - 2 * (i % width);
