/** @file Turns reactions into ballots: one member's opinion on one set, whatever the number of their reactions. */
import type { Picture, PictureSet, StandingVote } from '../../core/records.ts';
import { at } from '../../core/at.ts';
import { groupBy } from '../../core/group.ts';
import type { Comparison } from './bradley-terry.ts';
import { meaningOf } from './emoji.ts';

/** The result of `RecordStore.standingVotes`. */
export interface VoteData {
  readonly votes: readonly StandingVote[];
  readonly pictures: readonly Picture[];
  readonly sets: readonly PictureSet[];
}

interface Ballot {
  readonly set: PictureSet;
  readonly memberId: string;
  readonly liked: readonly Picture[];
  readonly disliked: readonly Picture[];
  /** The set's pictures without a reaction of the member, or with reactions both for and against. */
  readonly neutral: readonly Picture[];
}

/** Returns the ballots that count: none by the member who requested the set, none without a vote for or against. */
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
    const { set, memberId } = at(list, 0);
    const has = (picture: Picture, sign: number): boolean =>
      list.some((vote) => vote.pictureId === picture.id && vote.sign === sign);
    const all = (picturesOf.get(set.id) ?? []).toSorted((a, b) => a.index - b.index);
    const liked = all.filter((picture) => has(picture, 1) && !has(picture, -1));
    const disliked = all.filter((picture) => has(picture, -1) && !has(picture, 1));
    const neutral = all.filter((picture) => !liked.includes(picture) && !disliked.includes(picture));
    return { set, memberId, liked, disliked, neutral };
  });
}

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
