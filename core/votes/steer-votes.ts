/** @file Which pictures of a channel `imagine steer:votes` draws more like, and less like: those that members voted on most. */
import { enlargesSent } from '../pictures/enlarged-size.ts';
import type { Opinion } from '../preference-pairs.ts';
import type { SetSteering } from '../records.ts';
import { byId, countedBallots, type VoteData } from './ballots.ts';

/** Of each kind. Each costs an evaluation of the UNet in half of the steps, and the first ones say most. */
const MOST_PICTURES = 2;

/**
 * Returns the pictures of a subject, or of none, that members like most and least; null when no vote counts. Votes of the
 * member who requested a set don't count, and hidden pictures are left out.
 *
 * @param subjectId null: of sets without a subject
 */
export function steerVotes(
  subjectId: string | null,
  { votes, pictures, sets }: VoteData,
): SetSteering | null {
  // Pictures that members sent to be enlarged are their own.
  const own = sets.filter((set) => set.subjectId === subjectId && !enlargesSent(set));
  const shown = pictures.filter(({ sensitive }) => !sensitive);
  const steering = mostNamed(
    countedBallots({ votes, pictures: shown, sets: own })
      .toSorted((a, b) => a.set.createdAt.getTime() - b.set.createdAt.getTime())
      .map(byId),
  );
  return steering.liked.length + steering.disliked.length > 0 ? steering : null;
}

/**
 * Returns the pictures with the most votes for them, and with the most against. A ballot has the weight 1, which the pictures
 * that it names share. Of pictures with equal votes, the one that was first named later is chosen.
 *
 * @param ballots with pictures' ids, oldest sets first
 */
export function mostNamed(ballots: readonly Pick<Opinion<string>, 'liked' | 'disliked'>[]): SetSteering {
  const scores = new Map<string, number>();
  for (const { liked, disliked } of ballots) {
    const weight = 1 / (liked.length + disliked.length);
    const add = (id: string, by: number): unknown => scores.set(id, (scores.get(id) ?? 0) + by);
    for (const id of liked) add(id, weight);
    for (const id of disliked) add(id, -weight);
  }
  const newestFirst = [...scores].toReversed();
  const most = (sign: 1 | -1): string[] =>
    newestFirst
      // What is left of weights that cancel is rounding.
      .filter(([, score]) => sign * score > 1e-9)
      .sort(([, a], [, b]) => sign * (b - a))
      .slice(0, MOST_PICTURES)
      .map(([id]) => id);
  return { liked: most(1), disliked: most(-1) };
}
