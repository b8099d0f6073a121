/**
 * @file Rankings: pictures by the lower end of Wilson's interval; adapters and settings by Bradley–Terry from preferences
 * within sets, because votes across prompts would mostly measure the prompt.
 */
import type { Adapter, Picture, PictureSet } from '../../core/records.ts';
import { trainingWords } from '../cards/format.ts';
import { countedBallots, type VoteData } from '../../core/votes/ballots.ts';
import { preferences } from './preferences.ts';
import { bradleyTerry, strengthOf, type Strength } from './bradley-terry.ts';
import { wilsonInterval } from '../../core/votes/wilson.ts';

export interface RankedPicture {
  readonly picture: Picture;
  readonly set: PictureSet;
  /** Share of votes for it: Wilson's 95% interval; the ranking is by `low`. */
  readonly low: number;
  readonly high: number;
  /** Distinct members whose votes count. */
  readonly voters: number;
}

/** Returns the pictures with counted votes, best first. A member's votes in one set have a total weight of 1. */
export function rankPictures(data: VoteData): RankedPicture[] {
  const tallies = new Map<
    string,
    { picture: Picture; set: PictureSet; positive: number; total: number; voters: number }
  >();
  for (const { set, liked, disliked } of countedBallots(data)) {
    const weight = 1 / (liked.length + disliked.length);
    for (const picture of [...liked, ...disliked]) {
      const tally = tallies.get(picture.id) ?? { picture, set, positive: 0, total: 0, voters: 0 };
      tally.positive += liked.includes(picture) ? weight : 0;
      tally.total += weight;
      tally.voters += 1;
      tallies.set(picture.id, tally);
    }
  }
  return [...tallies.values()]
    .map(({ picture, set, positive, total, voters }) => ({
      picture,
      set,
      voters,
      ...wilsonInterval(positive, total),
    }))
    .sort((a, b) => b.low - a.low || b.high - a.high || a.picture.id.localeCompare(b.picture.id));
}

export interface RankedArm extends Strength {
  readonly arm: string;
  /** Distinct members with a preference that involves it. */
  readonly voters: number;
}

/**
 * Returns the arms by strength, best first, without those that no counted preference involves.
 *
 * @param armOf - the arm of a picture, null for none
 */
export function rankArms(data: VoteData, armOf: (picture: Picture) => string | null): RankedArm[] {
  const all = preferences(countedBallots(data), armOf);
  const arms = [...new Set(all.flatMap(({ winner, loser }) => [winner, loser]))];
  const strengths = bradleyTerry(arms, all);
  return arms
    .map((arm) => {
      const about = all.filter(({ winner, loser }) => winner === arm || loser === arm);
      return {
        arm,
        ...strengthOf(strengths, arm),
        voters: new Set(about.map(({ memberId }) => memberId)).size,
      };
    })
    .sort((a, b) => b.estimate - a.estimate || a.arm.localeCompare(b.arm));
}

/** The training settings as an arm: `krona 4×32, lr 0.002, 200 steps`. */
export function settingsArm({ settings }: Pick<Adapter, 'settings'>): string {
  return `${trainingWords(settings)}, ${settings.steps} steps`;
}

/** Returns the probability to win against an average arm, with its 95% interval. */
export function winChance({ estimate, error }: Strength): { chance: number; low: number; high: number } {
  const chance = (logOdds: number): number => 1 / (1 + Math.exp(-logOdds));
  return {
    chance: chance(estimate),
    low: chance(estimate - 1.96 * error),
    high: chance(estimate + 1.96 * error),
  };
}
