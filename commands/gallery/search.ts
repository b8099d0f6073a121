/** @file What members look for in the gallery of a channel, and how a button keeps it. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, GallerySearch } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';

/** Most characters of the words: a button holds them, in at most 97 characters with the rest. */
export const MAX_WORDS = 40;
/** Most votes that can be asked for. */
export const MAX_LIKES = 999;
/** Characters of an id in a button, of its 36: enough to tell the members and subjects of a channel apart. */
const SHORT = 8;

/** Most different words: the index is read for each, and all of a chat's pictures can begin with the same letters. */
const MOST_SEARCHED = 8;

/**
 * The words of a text: letters and digits, as typed. One that another begins with, in any case, says nothing more.
 *
 * @throws KronaError WORD_INVALID when there are none, SEARCH_TOO_LONG
 */
export function wordsOf(typed: string): string[] {
  const typedWords = typed.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  if (typedWords.length === 0 && typed.trim() !== '')
    throw new KronaError('WORD_INVALID', 'Search for words or numbers of the prompt, such as “red fox”.');
  const different = new Map(typedWords.map((word) => [word.toLowerCase(), word]));
  const lower = [...different.keys()];
  const words = lower
    .filter((word) => !lower.some((other) => other !== word && other.startsWith(word)))
    .map((word) => different.get(word) ?? word);
  if (words.length > MOST_SEARCHED)
    throw new KronaError(
      'SEARCH_TOO_LONG',
      `You searched for ${words.length} different words; at most ${MOST_SEARCHED} are possible. Leave out some.`,
    );
  return words;
}

/** A part of a gallery: before a place, or after one; both null: the newest. */
export interface GalleryFrom {
  readonly before: number | null;
  readonly after: number | null;
}

export const NEWEST: GalleryFrom = { before: null, after: null };

/** The part of a button after its verb: `<1z.2.0a1b2c3d..red fox`. */
export function toButton(
  { words, subjectId, memberId, likes }: GallerySearch,
  { before, after }: GalleryFrom,
): string {
  const place = after === null ? `<${(before ?? 0).toString(36)}` : `>${after.toString(36)}`;
  const short = (id: string | null): string => id?.slice(0, SHORT) ?? '';
  return [place, likes, short(subjectId), short(memberId), words.join(' ').slice(0, MAX_WORDS)].join('.');
}

/** Reads what `toButton` wrote. @throws KronaError ACTION_UNKNOWN, GONE */
export async function fromButton(
  text: string,
  channel: Channel,
  records: Records,
): Promise<{ readonly search: GallerySearch; readonly from: GalleryFrom }> {
  const [, way, place = '', likes = '', subject = '', member = '', words = ''] =
    /^([<>])([0-9a-z]+)\.(\d*)\.([0-9a-f]*)\.([0-9a-f]*)\.(.*)$/su.exec(text) ?? [];
  const at = Number.parseInt(place, 36);
  if (way === undefined || !Number.isSafeInteger(at))
    throw new KronaError(
      'ACTION_UNKNOWN',
      'This button belongs to another version of Krona. Use `/krona gallery` instead.',
    );
  return {
    search: {
      channelId: channel.id,
      words: wordsOf(words),
      subjectId:
        subject === '' ? null : withStart(subject, await records.subjects(channel.id), 'This subject'),
      memberId: member === '' ? null : withStart(member, await records.membersOf(channel.id), 'This member'),
      likes: Math.min(MAX_LIKES, Number(likes)),
    },
    from: way === '<' ? { before: at, after: null } : { before: null, after: at },
  };
}

function withStart(start: string, all: readonly { readonly id: string }[], what: string): string {
  const found = all.find(({ id }) => id.startsWith(start));
  if (found === undefined) throw new KronaError('GONE', `${what} was deleted.`);
  return found.id;
}
