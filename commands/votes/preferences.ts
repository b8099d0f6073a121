/** @file Ballots as comparisons between arms, such as adapters or settings. */
import { ballotPairs } from '../../core/preference-pairs.ts';
import type { Picture } from '../../core/records.ts';
import type { Ballot } from '../../core/votes/ballots.ts';
import type { Comparison } from './bradley-terry.ts';

/** A comparison by a member. */
type Preference = Comparison & { readonly memberId: string };

/**
 * Returns the preferences of ballots between arms: liked pictures over all others of the set, and neutral ones over
 * disliked ones. A ballot's weights sum to 1, so nobody gains by reacting to more pictures.
 *
 * @param armOf - the arm of a picture, null for none; pictures of the same arm are not compared
 */
export function preferences(
  ballots: readonly Ballot[],
  armOf: (picture: Picture) => string | null,
): Preference[] {
  return ballots.flatMap((ballot) => {
    const pairs = ballotPairs(ballot).flatMap(({ winner, loser }) => {
      const [better, worse] = [armOf(winner), armOf(loser)];
      if (better === null || worse === null || better === worse) return [];
      return [{ winner: better, loser: worse, winnerPlace: winner.index, loserPlace: loser.index }];
    });
    return pairs.map((pair) => ({ ...pair, memberId: ballot.memberId, weight: 1 / pairs.length }));
  });
}
