/**
 * @file Views of a photo with its subject on plain grounds that their prompts name: what changes from view to view
 * belongs to the words, and what stays belongs to the subject.
 */
import { basename } from 'node:path';
import { withArticle } from '../../core/format.ts';
import { KeyedRandom } from '../../core/random.ts';
import { fromBytes } from '../../core/pictures/rgb-bytes.ts';
import { cutSubject, onGround } from '../../core/pictures/grounds.ts';
import { Picture } from '../../core/pictures/picture.ts';
import type { Size } from './buckets.ts';

interface GroundView {
  /** [3, height, width] in [-1, 1]. */
  readonly pixels: Float32Array;
  /** Name of its ground's colour. */
  readonly ground: string;
}

interface GroundViews {
  /** The name of the photo's own ground, if it is of one colour. */
  readonly own: string | null;
  readonly views: readonly GroundView[];
}

/**
 * `count` views of photo number `n`, the same for the same seed; none where its subject can't be cut out.
 *
 * @throws KronaError PHOTO_*
 */
export async function groundViews(
  path: string,
  size: Size,
  { count, seed }: { readonly count: number; readonly seed: number },
  n: number,
): Promise<GroundViews> {
  const subject = await cutSubject(await Picture.open(path, basename(path)));
  if (subject === null) return { own: null, views: [] };
  const random = new KeyedRandom(seed, 'grounds', n);
  const views: GroundView[] = [];
  for (let view = 0; view < count; view++) {
    const { pixels, ground } = await onGround(subject, size, random);
    views.push({ pixels: fromBytes(pixels), ground });
  }
  return { own: subject.ground, views };
}

/** @example groundPrompt('a sks cat', 'orange') // 'a sks cat on an orange background' */
export function groundPrompt(prompt: string, ground: string): string {
  return `${prompt} on ${withArticle(ground)} background`;
}
