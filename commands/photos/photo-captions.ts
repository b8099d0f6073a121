/**
 * @file Captions: what a photo shows beside its subject (place, pose, light), so that the subject's word does not learn
 * it too; and what the model is told of a photo that has one.
 */
import { KronaError } from '../../core/errors.ts';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Photo, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { OptionData } from '../contract.ts';

/** By the place of a photo; null: nothing is said of it. */
export type Captions = readonly (string | null)[];

/** Most characters of one caption: about as many as the text encoders read. */
export const MAX_CAPTION = 300;

/** Between the captions of several photos. */
const BETWEEN = '|';

/** The option of commands that photos come with. */
export const CAPTION = {
  name: 'caption',
  description: 'What else the photos show: asleep on grass; one for all, or one for each with | between',
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
    `A caption has ${length} characters; the model reads about ${MAX_CAPTION}, so say it in fewer.`,
  );
}

/**
 * What was typed for the photos of one command: one caption for all of them, or one for each in their order, of which
 * some may be empty.
 *
 * @throws KronaError CAPTIONS_COUNT, CAPTION_TOO_LONG
 */
export function readCaptions(typed: string | undefined, photos: number): Captions {
  if (typed === undefined) return [];
  if (photos === 0)
    throw new KronaError(
      'CAPTIONS_COUNT',
      'A caption is for photos that come with the command; `/krona photos caption` says what earlier ones show.',
    );
  const captions = typed.split(BETWEEN).map(checkCaption);
  if (captions.length === 1) return Array<string | null>(photos).fill(captions[0]!);
  if (captions.length === photos) return captions;
  throw new KronaError(
    'CAPTIONS_COUNT',
    `There are ${captions.length} captions for ${photos} photos; give one for all of them, or one for each with ${BETWEEN} between.`,
  );
}

/** What the model is told that each photo of a subject shows; null where nothing is said: the training prompt. */
export async function photoPrompts(
  records: Records,
  subject: Subject,
  photos: readonly Photo[],
): Promise<(string | null)[]> {
  const subjects = await records.subjects(subject.channelId);
  return photos.map(({ caption }) => caption && resolvePrompt(caption, subjects, [subject.id]).text);
}
