/**
 * @file Aspect-ratio buckets: sizes of about one area that photos are sorted into, so that a wide photo is trained wide
 * and not cut square (NovelAI's, 2022; SDXL's multi-aspect training, arXiv 2307.01952, section 2.3; kohya's
 * `enable_bucket`). Each size needs its own program, so a batch is from one bucket.
 */
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Sides are multiples of this where the resolution allows, as SDXL was trained. */
const STEP = 64;
/** No side is longer or shorter than the resolution times or over this. */
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

/** The size whose shape is nearest to a photo's, by the ratio of their aspect ratios. */
export function nearestSize(photo: Size, sizes: readonly Size[]): Size {
  const stretch = (size: Size): number =>
    Math.abs(Math.log((photo.width * size.height) / (photo.height * size.width)));
  return sizes.reduce((best, size) => (stretch(size) < stretch(best) ? size : best));
}

/**
 * Which bucket a micro-batch is of, and how many before it were of the same. In a cycle of as many micro-batches as
 * there are photos each bucket has one for each of its own, so that every photo is seen equally often.
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
