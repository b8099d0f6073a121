/**
 * @file Captions: what a photo shows besides its subject (place, pose, light), so that the subject's token is not trained
 * on it; and the prompts of photos with a caption.
 */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Photo, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { OptionData } from '../contract.ts';

/** One for each photo, in order; null: none. */
export type Captions = readonly (string | null)[];

/** Most characters of one caption: about what the text encoders read. */
export const MAX_CAPTION = 300;

/** Between the captions of several photos. */
const BETWEEN = '|';

/** The option of commands with photos. */
export const CAPTION = {
  name: 'caption',
  description: 'What else they show, such as asleep on grass; for all, or one for each, separated by |',
  type: 'text',
  maxLength: 1000,
  keyed: true,
} as const satisfies OptionData;

/** @throws KronaError CAPTION_TOO_LONG */
export function checkCaption(text: string): string | null {
  const caption = text.replace(/\s+/gu, ' ').trim();
  const length = [...caption].length;
  if (length <= MAX_CAPTION) return caption === '' ? null : caption;
  throw new KronaError(
    'CAPTION_TOO_LONG',
    `A caption has ${length} characters; at most ${MAX_CAPTION} are allowed.`,
  );
}

/**
 * Reads the captions of a command: one for all photos, or one for each in their order, of which some can be empty.
 *
 * @throws KronaError CAPTIONS_COUNT, CAPTION_TOO_LONG
 */
export function readCaptions(typed: string | undefined, photos: number): Captions {
  if (typed === undefined) return [];
  if (photos === 0)
    throw new KronaError(
      'CAPTIONS_COUNT',
      'A caption needs photos in the same command. To caption earlier photos, use `/krona photos caption`.',
    );
  const captions = typed.split(BETWEEN).map(checkCaption);
  if (captions.length === 1) return Array<string | null>(photos).fill(at(captions, 0));
  if (captions.length === photos) return captions;
  throw new KronaError(
    'CAPTIONS_COUNT',
    `There are ${captions.length} captions for ${photos} photos. Give one for all, or one for each, separated by ${BETWEEN}.`,
  );
}

/** Returns the prompt of each photo; null: the training prompt. */
export async function photoPrompts(
  records: Records,
  subject: Subject,
  photos: readonly Photo[],
): Promise<(string | null)[]> {
  const subjects = await records.subjects(subject.channelId);
  return photos.map(({ caption }) => caption && resolvePrompt(caption, subjects, [subject.id]).text);
}
