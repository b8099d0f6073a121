/**
 * @file Photos as a diffusion model takes them: upright, sRGB, on white, cropped (from the centre unless said otherwise)
 * to the model's size, in [-1, 1], with the sizes that SDXL reads. Chat photos were checked and re-encoded before they came
 * here; those of a folder come as they are, so nothing is trusted. The same file gives the same numbers.
 */
import { basename } from 'node:path';
import { Picture } from '../../core/pictures/picture.ts';

export interface TrainingPhoto {
  readonly width: number;
  readonly height: number;
  /** [3, height, width], red first, in [-1, 1]. What was transparent is white. */
  readonly pixels: Float32Array;
  /** [height, width]: how opaque each pixel was, in [0, 1]; null for a photo without transparency. */
  readonly mask: Float32Array | null;
  /**
   * SDXL's size conditioning, as diffusers' training scripts give it: original height and width (upright), top and
   * left of the crop in the resized photo, target height and width.
   */
  readonly timeIds: readonly [number, number, number, number, number, number];
}

/** The part of a photo that is cut out after it was resized to cover a size. */
export interface PhotoView {
  /** Where the cut lies in what is left over, from 0 (left, top) to 1 (right, bottom). */
  readonly x: number;
  readonly y: number;
  /** Mirrored left to right, before it is cut. */
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
 * Loads a photo at a size. It is resized (Lanczos) until it covers the size, then the view is cut out.
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

/** The place of pixel `i` in the rows read from right to left. */
export const mirrored = (i: number, width: number): number => i + width - 1 - 2 * (i % width);
