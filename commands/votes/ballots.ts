/** @file Reactions into ballots: what one member says about one set, whatever the number of his reactions. */
import type { Picture, PictureSet, StandingVote } from '../../core/records.ts';
import { groupBy } from '../../core/group.ts';
import type { Comparison } from './bradley-terry.ts';
import { meaningOf } from './emoji.ts';

/** What `RecordStore.standingVotes` gives. */
export interface VoteData {
  readonly votes: readonly StandingVote[];
  readonly pictures: readonly Picture[];
  readonly sets: readonly PictureSet[];
}

export interface Ballot {
  readonly set: PictureSet;
  readonly memberId: string;
  readonly liked: readonly Picture[];
  readonly disliked: readonly Picture[];
  /** The set's pictures about which the member said nothing, or both. */
  readonly neutral: readonly Picture[];
}

/** Ballots that count: not those of the member who asked for the set, and none without a for or against. */
export function countedBallots({ votes, pictures, sets }: VoteData): Ballot[] {
  const pictureById = new Map(pictures.map((picture) => [picture.id, picture]));
  const picturesOf = groupBy(pictures, (picture) => picture.setId);
  const setById = new Map(sets.map((set) => [set.id, set]));
  const said = groupBy(
    votes.flatMap((vote) => {
      const picture = pictureById.get(vote.pictureId);
      const set = picture && setById.get(picture.setId);
      const { sign } = meaningOf(vote.emoji);
      return set && sign !== 0 && set.memberId !== vote.memberId ? [{ ...vote, set, sign }] : [];
    }),
    (vote) => `${vote.set.id} ${vote.memberId}`,
  );
  return [...said.values()].map((list) => {
    const { set, memberId } = list[0]!;
    const has = (picture: Picture, sign: number): boolean =>
      list.some((vote) => vote.pictureId === picture.id && vote.sign === sign);
    const all = (picturesOf.get(set.id) ?? []).toSorted((a, b) => a.index - b.index);
    const liked = all.filter((picture) => has(picture, 1) && !has(picture, -1));
    const disliked = all.filter((picture) => has(picture, -1) && !has(picture, 1));
    const neutral = all.filter((picture) => !liked.includes(picture) && !disliked.includes(picture));
    return { set, memberId, liked, disliked, neutral };
  });
}

/** A comparison with who made it. */
export type Preference = Comparison & { readonly memberId: string };

/**
 * The preferences that ballots express between arms: what is liked over all else of the set, and what is left
 * alone over what is disliked. A ballot's weights sum to 1, so nobody gains by reacting to more pictures.
 *
 * @param armOf - the arm that a picture stands for, null for none; pictures of one arm are not compared
 */
export function preferences(
  ballots: readonly Ballot[],
  armOf: (picture: Picture) => string | null,
): Preference[] {
  return ballots.flatMap(({ memberId, liked, disliked, neutral }) => {
    const ordered = [
      ...liked.flatMap((winner) => [...neutral, ...disliked].map((loser) => ({ winner, loser }))),
      ...neutral.flatMap((winner) => disliked.map((loser) => ({ winner, loser }))),
    ];
    const pairs = ordered.flatMap(({ winner, loser }) => {
      const [better, worse] = [armOf(winner), armOf(loser)];
      if (better === null || worse === null || better === worse) return [];
      return [{ winner: better, loser: worse, winnerPlace: winner.index, loserPlace: loser.index }];
    });
    return pairs.map((pair) => ({ ...pair, memberId, weight: 1 / pairs.length }));
  });
}
