/** @file The best pictures by votes. */
import type { Card } from '../card.ts';
import type { RankedPicture } from '../votes/ranking.ts';
import { percent, plain } from './format.ts';
import { onCard } from './pictures.ts';

/** Pictures shown beside the ranking. */
const MOST_PICTURES = 4;

export const OWN_VOTES = 'Votes on pictures that one asked for oneself are shown but do not count.';

/**
 * @param id - of the ranking's record
 * @param names - of members who asked for the pictures, by id
 */
export function rankingCard(
  id: string,
  ranked: readonly RankedPicture[],
  names: ReadonlyMap<string, string>,
): Card {
  return {
    tone: 'info',
    title: 'Best pictures',
    text: [`Share of votes for a picture, with 95 % certainty. ${OWN_VOTES}`],
    table: {
      columns: ['', 'picture', 'by', 'liked', 'voters'],
      rows: ranked.map(({ picture, set, low, high, voters }, index) => [
        String(index + 1),
        `${plain(set.prompt, 60)} (${picture.index + 1})`,
        plain(names.get(set.memberId) ?? 'a member who left', 40),
        `${percent(low)} to ${percent(high)}`,
        String(voters),
      ]),
    },
    pictures: ranked.slice(0, MOST_PICTURES).map(({ picture, set }, index) => ({
      ...onCard(picture),
      alt: plain(set.prompt),
      caption: `${index + 1} · ${plain(set.prompt, 60)}`,
    })),
    follows: { kind: 'ranking', id },
  };
}
