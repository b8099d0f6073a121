/**
 * @file Loads photos for a diffusion model: upright, sRGB, on white, cropped (from the centre by default) to the
 * model's size, in [-1, 1], with the sizes that SDXL reads. Chat photos are checked and re-encoded before this; those
 * of a folder aren't, so nothing is trusted. The same file gives the same numbers.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { KronaError } from '../../core/errors.ts';

/** A file's header can claim any size; larger pictures aren't decoded. */
const MAX_PIXELS = 64_000_000;

const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'];
const EXTENSIONS = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i;
/** `photo.mask.png` is the mask of the photo beside it. */
const MASK_FILE = /\.mask\.png$/i;

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

/** A picture file after reading its header. */
export interface OpenPhoto {
  readonly image: Sharp;
  readonly header: Metadata;
  /** Upright. */
  readonly width: number;
  readonly height: number;
}

/** Reads a header. @throws KronaError PHOTO_NOT_IMAGE, PHOTO_TOO_LARGE */
export async function openPhoto(source: string | Uint8Array, name: string): Promise<OpenPhoto> {
  let image: Sharp;
  let header: Metadata;
  try {
    image = sharp(source, { limitInputPixels: false, failOn: 'error' });
    header = await image.metadata();
  } catch (cause) {
    throw new KronaError(
      'PHOTO_NOT_IMAGE',
      `${name} is not a readable picture. Use PNG, JPEG, WebP, GIF, TIFF or AVIF.`,
      { cause },
    );
  }
  if (!FORMATS.includes(header.format))
    throw new KronaError('PHOTO_NOT_IMAGE', `${name} is ${header.format}, not a photo. Use PNG or JPEG.`);
  const { width, height } = header.autoOrient;
  if (width * height > MAX_PIXELS)
    throw new KronaError(
      'PHOTO_TOO_LARGE',
      `${name} has ${width}×${height} pixels; the limit is ${MAX_PIXELS / 1e6} megapixels.`,
    );
  return { image, header, width, height };
}

/** The pixels of a decoded picture, 8 bits a channel, and its sides. @throws KronaError PHOTO_DAMAGED */
export async function rawPixels(image: Sharp, { format }: Metadata, name: string) {
  const { data, info } = await image
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new KronaError(
        'PHOTO_DAMAGED',
        `${name} is damaged or cut off: it starts as ${format.toUpperCase()}, but its end is unreadable.`,
        { cause },
      );
    });
  return { data, width: info.width, height: info.height };
}

/** The size to which a photo is resized to cover a size, and the offset of the crop, mirrored if requested. */
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
 * @param name for messages
 * @throws KronaError PHOTO_NOT_IMAGE, PHOTO_DAMAGED, PHOTO_TOO_LARGE
 */
export async function loadPhoto(
  source: string | Uint8Array,
  width: number,
  height: number,
  name = typeof source === 'string' ? basename(source) : 'A photo',
  view = MIDDLE,
): Promise<TrainingPhoto> {
  const photo = await openPhoto(source, name);
  const { header } = photo;
  const { resizedWidth, resizedHeight, left, top } = cutOf(photo, width, height, view);
  const { data: rgba } = await rawPixels(
    photo.image
      .autoOrient()
      // Decoding a JPEG at a lower size would be faster, and softer than Lanczos.
      .resize(resizedWidth, resizedHeight, { kernel: 'lanczos3', fit: 'fill', fastShrinkOnLoad: false })
      // Of a mirrored photo the cut lies as far from the other side.
      .extract({ left: view.flip ? resizedWidth - width - left : left, top, width, height })
      .toColourspace('srgb')
      .ensureAlpha(),
    header,
    name,
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

/**
 * Paths of the photos in a folder, by name; other files are skipped.
 *
 * @throws KronaError PHOTOS_MISSING (no such folder, or no photo in it)
 */
export async function listPhotos(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new KronaError('PHOTOS_MISSING', `There is no folder ${basename(folder)} with photos.`, { cause });
  });
  const photos = names
    .filter((name) => EXTENSIONS.test(name) && !name.startsWith('.') && !MASK_FILE.test(name))
    .sort();
  if (photos.length === 0)
    throw new KronaError(
      'PHOTOS_MISSING',
      `The folder ${basename(folder)} holds no photos; put PNG, JPEG, WebP, GIF, TIFF or AVIF files there.`,
    );
  return photos.map((name) => join(folder, name));
}
