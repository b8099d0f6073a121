/** @file Votes as they are shown under pictures; ranking.ts counts them. */
import type { Picture, VoteFact } from '../../core/records.ts';
import type { CardPicture } from '../card.ts';
import { groupBy } from '../../core/group.ts';
import { plain } from './format.ts';
import { onCard } from './pictures.ts';
import { foldEmoji, shownEmoji } from '../../core/votes/emoji.ts';

/** Returns the standing reactions to a picture with their numbers of members, most first: `👍 3  👎 1`. */
function reactionsOn(pictureId: string, facts: readonly VoteFact[]): string {
  const standing = new Map<string, VoteFact>();
  for (const fact of facts)
    if (fact.pictureId === pictureId) standing.set(`${fact.memberId} ${fact.emoji}`, fact);
  const members = groupBy(
    [...standing.values()].filter((fact) => fact.added),
    (fact) => foldEmoji(fact.emoji),
  );
  return [...members]
    .map(([emoji, list]) => ({ emoji, count: new Set(list.map((fact) => fact.memberId)).size }))
    .sort((a, b) => b.count - a.count)
    .map(({ emoji, count }) => `${shownEmoji(emoji)} ${count}`)
    .join('  ');
}

/**
 * Returns the pictures of a set, numbered, with the reactions that stand.
 *
 * @param facts - of the set, oldest first
 * @param what - what the pictures show, for people who can't see them
 */
export function votedPictures(
  pictures: readonly Picture[],
  facts: readonly VoteFact[],
  what: string,
): CardPicture[] {
  return pictures.map((picture) => {
    const reactions = reactionsOn(picture.id, facts);
    const number = String(picture.index + 1);
    return {
      ...onCard(picture),
      alt: `${picture.prompt === null ? what : plain(picture.prompt)} (picture ${number} of ${pictures.length})`,
      caption: [
        number,
        ...(picture.prompt === null ? [] : [plain(picture.prompt, 60)]),
        ...(reactions === '' ? [] : [reactions]),
      ].join(' · '),
    };
  });
}
