/** @file What the votes of a duel say: pair by pair, and all pairs together. */
import { ballotPairs } from '../../core/preference-pairs.ts';
import type { Duel, Picture, PictureSet, StandingVote, Trial } from '../../core/records.ts';
import { hasEnded } from '../../core/work-state.ts';
import { countedBallots } from '../../core/votes/ballots.ts';
import { VOTERS } from './duel-bounds.ts';
import { verdictOf, type Verdict } from './sequential-test.ts';

type Side = 'first' | 'second';

/** The adapter that drew a picture of a pair. @param index of the picture */
export function sideOf({ swapped }: Pick<Duel, 'swapped'>, place: number, index: number): Side {
  return (index === 0) === (swapped[place] === true) ? 'second' : 'first';
}

/** Returns the trial of a pair that closes now; null while it is open. @param votes standing ones on its pictures */
export function closedTrial(
  duel: Pick<Duel, 'swapped'>,
  place: number,
  set: PictureSet | undefined,
  pictures: readonly Picture[],
  votes: readonly StandingVote[],
): Trial | null {
  const nobody = { first: 0, second: 0 };
  if (set === undefined) return { place, winner: null, votes: nobody };
  if (!hasEnded(set)) return null;
  // One can be held back by the safety check.
  if (set.state !== 'done' || pictures.length < 2) return { place, winner: null, votes: nobody };
  const counts = { ...nobody };
  for (const ballot of countedBallots({ votes, pictures, sets: [set] }))
    for (const { winner } of ballotPairs(ballot)) counts[sideOf(duel, place, winner.index)] += 1;
  const { first, second } = counts;
  if (first + second < VOTERS) return null;
  return { place, winner: first === second ? null : first > second ? 'first' : 'second', votes: counts };
}

export interface Tally extends Verdict {
  /** Pairs that the first adapter won, and the second. */
  readonly wins: number;
  readonly losses: number;
  readonly votes: Trial['votes'];
}

/** Returns what all closed pairs say. */
export function tallyOf(trials: readonly Trial[]): Tally {
  const won = (side: Side): number => trials.filter(({ winner }) => winner === side).length;
  const votes = (side: Side): number => trials.reduce((sum, trial) => sum + trial.votes[side], 0);
  const [wins, losses] = [won('first'), won('second')];
  return {
    wins,
    losses,
    votes: { first: votes('first'), second: votes('second') },
    ...verdictOf(wins, losses),
  };
}
