/** @file Which pictures are enlarged, and how: the same in chat, in the engine and on the command line. */
import { KronaError } from '../errors.ts';
import type { PictureSet } from '../records.ts';
import type { Upscale } from '../settings/choices.ts';

/** How many times a network makes a picture wider and higher. */
export type Enlargement = 2 | 4;

/** Longest side of a picture to enlarge, pixels. */
const LONGEST = 2048;
/** Most megapixels of the result: 100 MB in memory, and platforms can still show it. */
const MOST_MEGAPIXELS = 36;

/** How many times a network enlarges; null: the picture is drawn again. */
export const enlargementOf = (upscale: Upscale): Enlargement | null =>
  upscale === 'redraw' ? null : upscale === 'x2' ? 2 : 4;

/** Whether a set enlarges a picture that a member sent: Krona drew none of it. */
export const enlargesSent = ({ kind, start }: Pick<PictureSet, 'kind' | 'start'>): boolean =>
  kind === 'upscale' && start !== null;

/** Whether that is all, so that neither model nor settings say anything about the result: a network made it larger. */
export const isOnlyEnlarged = (set: Pick<PictureSet, 'kind' | 'start' | 'settings'>): boolean =>
  enlargesSent(set) && enlargementOf(set.settings.upscale) !== null;

/**
 * @param size of the picture, pixels
 * @param name for messages
 * @throws KronaError UPSCALE_TOO_LARGE
 */
export function checkEnlarged(
  { width, height }: { readonly width: number; readonly height: number },
  times: Enlargement,
  name: string,
): void {
  const size = `${name} is ${width}×${height}`;
  if (Math.max(width, height) > LONGEST)
    throw new KronaError(
      'UPSCALE_TOO_LARGE',
      `${size}; pictures to enlarge can have ${LONGEST} pixels a side. Use a smaller one.`,
    );
  const megapixels = (times ** 2 * width * height) / 1e6;
  if (megapixels > MOST_MEGAPIXELS)
    throw new KronaError(
      'UPSCALE_TOO_LARGE',
      `${size}; enlarged ${times} times it has ${Math.ceil(megapixels)} megapixels, and at most ${MOST_MEGAPIXELS} are allowed. ` +
        `Use x2 or a smaller picture.`,
    );
}
