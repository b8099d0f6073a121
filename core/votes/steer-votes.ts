/** @file Which pictures of a channel `imagine steer:votes` draws more like, and less like: those that members voted on most. */
import type { Picture, SetSteering } from '../records.ts';
import { countedBallots, type VoteData } from './ballots.ts';

/** Of each kind. Each costs an evaluation of the UNet in half of the steps, and the first ones say most. */
const MOST_PICTURES = 2;

/**
 * Returns the pictures of a subject, or of none, that members like most and least; null when no vote counts.
 *
 * A ballot has the weight 1, which the pictures that it names share. Votes of the member who requested a set don't count.
 * Hidden pictures are left out, and of pictures with equal votes the newer one is chosen.
 *
 * @param subjectId null: of sets without a subject
 */
export function steerVotes(
  subjectId: string | null,
  { votes, pictures, sets }: VoteData,
): SetSteering | null {
  const own = sets.filter((set) => set.subjectId === subjectId);
  const shown = pictures.filter(({ sensitive }) => !sensitive);
  const scores = new Map<Picture, { score: number; readonly at: number }>();
  for (const { set, liked, disliked } of countedBallots({ votes, pictures: shown, sets: own })) {
    const weight = 1 / (liked.length + disliked.length);
    for (const [named, sign] of [
      [liked, 1],
      [disliked, -1],
    ] as const)
      for (const picture of named) {
        const tally = scores.get(picture) ?? { score: 0, at: set.createdAt.getTime() };
        tally.score += sign * weight;
        scores.set(picture, tally);
      }
  }
  const best = (sign: 1 | -1): string[] =>
    [...scores]
      // What is left of weights that cancel is rounding.
      .filter(([, { score }]) => sign * score > 1e-9)
      .sort(([, a], [, b]) => sign * (b.score - a.score) || b.at - a.at)
      .slice(0, MOST_PICTURES)
      .map(([{ id }]) => id);
  const [liked, disliked] = [best(1), best(-1)];
  return liked.length + disliked.length > 0 ? { liked, disliked } : null;
}
