/** @file What a channel's votes give to refine a subject with: pairs of pictures of which members prefer one, and winners. */
import { countPairs } from '../../core/preference-pairs.ts';
import type { Refinement } from '../../core/records.ts';
import { countedBallots, type VoteData } from './ballots.ts';

/**
 * Returns the pairs of the sets of a subject, counted by the ballots that stand: without votes of members on their own
 * sets, and with a member's weight capped. Pictures of several subjects are left out.
 */
export function votePairs(
  data: VoteData,
  subjectId: string,
): Pick<Refinement, 'pairs' | 'examples' | 'members'> {
  const sets = data.sets.filter(
    ({ subjectId: of, kind, alsoAdapterIds }) =>
      of === subjectId && kind !== 'upscale' && alsoAdapterIds.length === 0,
  );
  const ids = (pictures: readonly { readonly id: string }[]): string[] => pictures.map(({ id }) => id);
  const { pairs, winners, members } = countPairs(
    countedBallots({ ...data, sets }).map(({ set, memberId, liked, disliked, neutral }) => ({
      setId: set.id,
      memberId,
      liked: ids(liked),
      disliked: ids(disliked),
      neutral: ids(neutral),
    })),
  );
  return { pairs, examples: winners.map(({ picture, weight }) => ({ picture, weight })), members };
}
