/**
 * @file Aspect-ratio buckets: sizes of about equal area that photos are sorted into, so that a wide photo is trained
 * wide instead of cropped to a square (NovelAI's, 2022; SDXL's multi-aspect training, arXiv 2307.01952, section 2.3;
 * kohya's `enable_bucket`). Each size needs its own program, so a batch is from one bucket.
 */
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Sides are multiples of this if the resolution allows, as in SDXL's training. */
const STEP = 64;
/** Longest side relative to the resolution; its inverse bounds the shortest. */
const STRETCH = 2;

/**
 * All sizes for a resolution, from tall to wide: the area is the resolution's square or less, sides are multiples of
 * 64, or on small models of an eighth of the resolution, and of the model's own multiple always.
 */
export function bucketSizes(resolution: number, sizeMultiple: number): Size[] {
  const wanted = Math.min(STEP, resolution / 8);
  const step = Math.max(1, Math.floor(wanted / sizeMultiple)) * sizeMultiple;
  const down = (side: number): number => Math.floor(side / step) * step;
  const sizes = new Map<string, Size>([[`${resolution}`, { width: resolution, height: resolution }]]);
  for (let side = Math.max(step, down(resolution / STRETCH)); side <= resolution * STRETCH; side += step) {
    const other = down(resolution ** 2 / side);
    if (side === other || other < resolution / STRETCH || other > resolution * STRETCH) continue;
    sizes.set(`${side}x${other}`, { width: side, height: other });
  }
  return [...sizes.values()].sort((a, b) => a.width / a.height - b.width / b.height);
}

/** The size with the aspect ratio nearest to a photo's. */
export function nearestSize(photo: Size, sizes: readonly Size[]): Size {
  const stretch = (size: Size): number =>
    Math.abs(Math.log((photo.width * size.height) / (photo.height * size.width)));
  return sizes.reduce((best, size) => (stretch(size) < stretch(best) ? size : best));
}

/**
 * The bucket of a micro-batch, and the number of earlier ones of the same bucket. A cycle has as many micro-batches as
 * there are photos, and each bucket gets one per photo of its own, so that every photo is used equally often.
 *
 * @param counts photos of each bucket
 */
export function bucketAt(
  counts: readonly number[],
  seed: number,
  n: number,
): { readonly bucket: number; readonly batch: number } {
  if (counts.length === 1) return { bucket: 0, batch: n };
  const order = counts.flatMap((count, bucket) => Array<number>(count).fill(bucket));
  const [cycle, place] = [Math.floor(n / order.length), n % order.length];
  new KeyedRandom(seed, 'buckets', cycle).shuffle(order);
  const bucket = at(order, place);
  const earlier = order.slice(0, place).filter((each) => each === bucket).length;
  return { bucket, batch: cycle * at(counts, bucket) + earlier };
}
