/** @file Simulated members: ballots on sets of four by a hidden taste, with chance and trolls in them. */
import { at } from '../../core/at.ts';
import type { PictureBallot } from '../../core/preference-pairs.ts';
import { KeyedRandom } from '../../core/random.ts';

/** Pictures of a set. */
export const SET_SIZE = 4;
/** Share of ballots that like any picture. */
const BY_CHANCE = 0.2;
/** Share of the other ballots that also dislike the last picture. */
const DISLIKES = 0.5;

export interface Members {
  readonly seed: number;
  readonly members: number;
  /** How many of them want the opposite. */
  readonly trolls: number;
}

/** The id of a picture, which says its place. */
export const pictureId = (set: number, place: number): string => `${set}-${place}`;

/**
 * The first `votes` ballots: all members vote on the first set, then on the next.
 *
 * @param scores of each set's pictures by the taste
 */
export function simulatedBallots(
  scores: readonly (readonly number[])[],
  votes: number,
  { seed, members, trolls }: Members,
): PictureBallot[] {
  return Array.from({ length: votes }, (_, vote) => {
    const [set, member] = [Math.floor(vote / members), vote % members];
    const random = new KeyedRandom(seed, 'ballot', vote);
    const order = at(scores, set)
      .map((score, place) => ({ score: member < trolls ? -score : score, place }))
      .sort((a, b) => b.score - a.score)
      .map(({ place }) => place);
    const [chance, dislikes] = [random.uniform() < BY_CHANCE, random.uniform() < DISLIKES];
    if (chance) random.shuffle(order);
    const ids = order.map((place) => pictureId(set, place));
    const disliked = dislikes && !chance ? ids.slice(-1) : [];
    return {
      setId: String(set),
      memberId: String(member),
      liked: ids.slice(0, 1),
      neutral: ids.slice(1, ids.length - disliked.length),
      disliked,
    };
  });
}
