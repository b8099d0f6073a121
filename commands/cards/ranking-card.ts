/** @file The best pictures by votes. */
import type { Card } from '../card.ts';
import type { RankedPicture } from '../votes/ranking.ts';
import { percent } from '../../core/format.ts';
import { plain } from './format.ts';
import { onCard } from './pictures.ts';

/** Pictures shown with the ranking. */
const MOST_PICTURES = 4;

export const OWN_VOTES = 'Votes on your own pictures are shown, but they don’t count.';

/**
 * @param id - of the ranking's record
 * @param nameOf - the members who requested the pictures
 */
export function rankingCard(
  id: string,
  ranked: readonly RankedPicture[],
  nameOf: (memberId: string) => string,
): Card {
  return {
    tone: 'info',
    title: 'Best pictures',
    text: [`Liked: share of votes for the picture, as a 95% confidence interval. ${OWN_VOTES}`],
    table: {
      columns: ['', 'picture', 'by', 'liked', 'voters'],
      rows: ranked.map(({ picture, set, low, high, voters }, index) => [
        String(index + 1),
        `${plain(set.prompt, 60)} (${picture.index + 1})`,
        plain(nameOf(set.memberId), 40),
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
