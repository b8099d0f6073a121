/** @file Turns reactions into ballots: one member's opinion on one set, whatever the number of their reactions. */
import type { Picture, PictureSet, StandingVote } from '../records.ts';
import { at } from '../at.ts';
import { groupBy } from '../group.ts';
import type { Opinion } from '../preference-pairs.ts';
import { meaningOf } from './emoji.ts';

/** The result of `RecordStore.standingVotes`. */
export interface VoteData {
  readonly votes: readonly StandingVote[];
  readonly pictures: readonly Picture[];
  readonly sets: readonly PictureSet[];
}

export interface Ballot extends Opinion<Picture> {
  readonly set: PictureSet;
  readonly memberId: string;
}

/** An opinion on pictures, by their ids. */
export function byId({ liked, disliked, neutral }: Opinion<Picture>): Opinion<string> {
  const ids = (pictures: readonly Picture[]): string[] => pictures.map(({ id }) => id);
  return { liked: ids(liked), disliked: ids(disliked), neutral: ids(neutral) };
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
