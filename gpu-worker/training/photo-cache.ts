/**
 * @file The photos of a run as latents, encoded once before the first step: each in the size of its bucket, and in as
 * many views as its augmentations need (arXiv 2112.10752 for latents; kohya's `cache_latents`, which doesn't support
 * random crops). A view costs 8 bytes per latent value.
 */
import { basename } from 'node:path';
import type { Crop, MaskKind } from '../../core/settings/choices.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { timeIds as timeIdsOf } from '../models/architecture.ts';
import { openEncoder, type EncodedPicture } from '../models/autoencoder.ts';
import { checkFinite } from '../models/finite.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { vaeScale } from '../models/vae.ts';
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';
import { bucketSizes, nearestSize, type Size } from './buckets.ts';
import { placeWeights } from './loss-weights.ts';
import { latentMask, PhotoMask } from './masks.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { loadPhoto, MIDDLE, type PhotoView } from './photos.ts';

/** Crops of a photo that random crop caches: four of them cover all of a 3:2 photo. */
export const DEFAULT_CUTS = defaultOf('cuts');
/** OneTrainer's `unmasked_weight`: keeps the surroundings of the subject plausible. */
export const DEFAULT_BACKGROUND = defaultOf('background');

/** How photos become views. */
export interface Augmentation {
  readonly crop?: Crop;
  /** Crops per photo for random crop; DEFAULT_CUTS unless given. */
  readonly cuts?: number;
  /** Also train each view mirrored left to right. Not for subjects with text or a distinct left and right. */
  readonly flip?: boolean;
  /** Keep the photos' approximate shape instead of cropping to a square; see buckets.ts. */
  readonly buckets?: boolean;
  /** Loss weights by the subject's position; none unless given. */
  readonly mask?: MaskKind;
  /** Weight of positions outside the subject, from 0 to 1; DEFAULT_BACKGROUND unless given. */
  readonly background?: number;
}

/** One view of a photo. */
export interface CachedView extends EncodedPicture {
  /** Numbers about it that the UNet reads: 6 for SDXL, 5 for its refiner, none for SD. */
  readonly timeIds: readonly number[];
  /** Weights of the latent positions [h·w]; null: all 1. */
  readonly weights: Float32Array | null;
}

/** All views of a photo, which have one size. */
export interface CachedPhoto extends Size {
  readonly prompt: string;
  /** Of its loss; 1 unless given. */
  readonly weight?: number;
  readonly views: readonly CachedView[];
}

export interface PhotoSource {
  readonly path: string;
  /** Its prompt. */
  readonly prompt: string;
  /** Path of its mask; null for none. */
  readonly mask: string | null;
}

export interface CacheOptions extends Augmentation {
  readonly seed: number;
  /** Side of the square pictures, or of the square with a bucket's area. */
  readonly resolution: number;
}

/** The size that each photo is trained at. @throws KronaError PHOTO_* */
export async function photoSizes(
  paths: readonly string[],
  { resolution, buckets }: Pick<CacheOptions, 'resolution' | 'buckets'>,
  sizeMultiple: number,
): Promise<Size[]> {
  const square = { width: resolution, height: resolution };
  if (!buckets) return paths.map(() => square);
  const sizes = bucketSizes(resolution, sizeMultiple);
  const found: Size[] = [];
  for (const path of paths) found.push(nearestSize(await Picture.open(path, basename(path)), sizes));
  return found;
}

/** The views of photo number `n`: the same for the same seed. */
export function viewsOf({ crop, cuts = DEFAULT_CUTS, flip, seed }: CacheOptions, n: number): PhotoView[] {
  const random = new KeyedRandom(seed, 'cuts', n);
  const cut =
    crop === 'random'
      ? Array.from({ length: cuts }, () => ({ x: random.uniform(), y: random.uniform(), flip: false }))
      : [MIDDLE];
  return flip ? cut.flatMap((view) => [view, { ...view, flip: true }]) : cut;
}

/**
 * Encodes every view of every photo, in the order of the photos; then releases the VAE.
 *
 * @param sizes of each photo
 * @param onDone after each photo
 * @throws KronaError PHOTO_*, MASK_*, RESULT_NOT_FINITE (names the photo); what `onDone` throws
 */
export async function cachePhotos(
  model: ModelFolder,
  photos: readonly PhotoSource[],
  sizes: readonly Size[],
  options: CacheOptions,
  onDone: () => void,
): Promise<CachedPhoto[]> {
  const cached = new Map<number, CachedPhoto>();
  for (const size of distinctSizes(sizes)) {
    const encoder = await openEncoder(model, size.width, size.height);
    try {
      for (const [n, photo] of photos.entries()) {
        const own = at(sizes, n);
        if (own.width !== size.width || own.height !== size.height) continue;
        const mask = options.mask ? await PhotoMask.open(options.mask, photo.path, photo.mask) : null;
        const views: CachedView[] = [];
        for (const view of viewsOf(options, n)) {
          const loaded = await loadPhoto(photo.path, size.width, size.height, undefined, view);
          const places =
            mask &&
            latentMask(await mask.of(loaded, view), size.width, size.height, vaeScale(model.vae.config));
          const encoded = await encoder.encode(loaded.pixels);
          for (const values of [encoded.mean, encoded.deviation])
            await checkFinite(values, `Encoding ${basename(photo.path)} by the VAE`, model);
          views.push({
            ...encoded,
            timeIds: timeIdsOf(model.architecture, loaded.timeIds),
            weights: places && placeWeights(places, options.background ?? DEFAULT_BACKGROUND),
          });
        }
        cached.set(n, { ...size, prompt: photo.prompt, views });
        onDone();
      }
    } finally {
      await encoder.release();
    }
  }
  return photos.flatMap((_, n) => cached.get(n) ?? []);
}

export function distinctSizes(sizes: readonly Size[]): Size[] {
  return [...new Map(sizes.map((size) => [`${size.width}x${size.height}`, size])).values()];
}
