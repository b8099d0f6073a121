/**
 * @file Masks of the subject in photos, for a loss that ignores the rest (kohya's `masked_loss`, OneTrainer's masked
 * training, T-LoRA's `mask_dir`), so that the surroundings in a few photos don't become part of the subject.
 */
import { basename } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { forBorderMask, MASK_SIDE } from '../../core/pictures/border-mask.ts';
import { cutOut } from '../../core/pictures/cut-out.ts';
import { fromPixels } from '../../core/pictures/encode.ts';
import { Picture } from '../../core/pictures/picture.ts';
import type { MaskKind } from '../../core/settings/choices.ts';
import { cutOf, mirrored, type PhotoView, type TrainingPhoto } from './photos.ts';

/** Tolerated relative difference between the aspect ratios of a photo and its mask. */
const SAME_SHAPE = 0.02;

/** The subject in the original photo, before resizing and cropping. */
interface WholeMask {
  readonly width: number;
  readonly height: number;
  /** 0 (background) to 255. */
  readonly grey: Uint8Array;
}

/** Crops a photo's mask like its views. */
export class PhotoMask {
  readonly #kind: MaskKind;
  readonly #whole: WholeMask | null;

  private constructor(kind: MaskKind, whole: WholeMask | null) {
    this.#kind = kind;
    this.#whole = whole;
  }

  /**
   * @param photo path
   * @param file path of its mask; null: none
   * @throws KronaError MASK_MISSING, MASK_UNFIT, MASK_EMPTY, PHOTO_*
   */
  static async open(kind: MaskKind, photo: string, file: string | null): Promise<PhotoMask> {
    if (kind === 'file' && file === null)
      throw new KronaError(
        'MASK_MISSING',
        `${basename(photo)} has no mask; put ${stem(photo)}.mask.png beside it, or ${stem(photo)}.png into a folder masks there.`,
      );
    if (file !== null && (kind === 'file' || kind === 'auto'))
      return new PhotoMask('file', await fromFile(photo, file));
    const { header } = await Picture.open(photo, basename(photo));
    if (kind === 'alpha' && !header.hasAlpha)
      throw new KronaError(
        'MASK_MISSING',
        `${basename(photo)} has no transparency to use as its mask. Use another --mask.`,
      );
    if (kind === 'alpha' || (kind === 'auto' && header.hasAlpha)) return new PhotoMask('alpha', null);
    const filled = await fromBorder(photo);
    if (kind === 'border' && filled === null)
      throw new KronaError(
        'MASK_MISSING',
        `${basename(photo)} has no border of one colour to cut along. Add a mask file, or use another --mask.`,
      );
    return new PhotoMask(kind, filled);
  }

  /** [height, width] of a view, 1 on the subject. */
  async of(loaded: TrainingPhoto, view: PhotoView): Promise<Float32Array> {
    const { width, height } = loaded;
    if (this.#kind === 'alpha') return loaded.mask!;
    if (this.#whole === null) return new Float32Array(width * height).fill(1);
    const { grey, ...size } = this.#whole;
    const [photoHeight, photoWidth] = loaded.timeIds;
    const cut = cutOf({ width: photoWidth, height: photoHeight }, width, height, view);
    const bytes = await fromPixels(grey, { ...size, channels: 1 })
      .resize(cut.resizedWidth, cut.resizedHeight, { kernel: 'linear', fit: 'fill' })
      .extract({
        left: view.flip ? cut.resizedWidth - width - cut.left : cut.left,
        top: cut.top,
        width,
        height,
      })
      .extractChannel(0)
      .raw()
      .toBuffer();
    return Float32Array.from(bytes, (_, i) => bytes[view.flip ? mirrored(i, width) : i]! / 255);
  }
}

/** The mask at the size of the latents [h·w]: each position is the mean of its pixels. */
export function latentMask(mask: Float32Array, width: number, height: number, scale: number): Float32Array {
  const [w, h] = [width / scale, height / scale];
  const places = new Float32Array(h * w);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      places[Math.floor(y / scale) * w + Math.floor(x / scale)]! += mask[y * width + x]! / scale ** 2;
  return places;
}

async function fromFile(photo: string, file: string): Promise<WholeMask> {
  const [{ width, height }, mask] = [
    await Picture.open(photo, basename(photo)),
    await Picture.open(file, basename(file)),
  ];
  const stretch = (width * mask.height) / (height * mask.width);
  if (Math.abs(stretch - 1) > SAME_SHAPE)
    throw new KronaError(
      'MASK_UNFIT',
      `${basename(file)} is ${mask.width}×${mask.height}, a different shape from ${basename(photo)} with ${width}×${height}.`,
    );
  const { data: grey, info } = await mask.render((image) =>
    image
      .autoOrient()
      .flatten({ background: 'black' })
      .resize(MASK_SIDE, MASK_SIDE, { fit: 'inside', withoutEnlargement: true })
      .toColourspace('b-w')
      .extractChannel(0)
      .raw({ depth: 'uchar' }),
  );
  if (!grey.some((value) => value > 0))
    throw new KronaError(
      'MASK_EMPTY',
      `${basename(file)} is black everywhere. A mask must be white where the subject is.`,
    );
  return { width: info.width, height: info.height, grey };
}

async function fromBorder(photo: string): Promise<WholeMask | null> {
  const picture = await Picture.open(photo, basename(photo));
  const { data: pixels, info } = await picture.render((image) =>
    forBorderMask(image).raw({ depth: 'uchar' }),
  );
  const { width, height } = info;
  const cut = cutOut({ width, height, pixels });
  return cut && { width, height, grey: cut.alpha };
}

const stem = (path: string): string => basename(path).replace(/\.[^.]+$/, '');
