/**
 * @file Rankings: single pictures by the lower end of Wilson's interval, adapters and settings by Bradley–Terry
 * from preferences within sets, as votes across prompts would mostly measure the prompt.
 */
import type { Adapter, Picture, PictureSet } from '../../core/records.ts';
import { trainingWords } from '../cards/format.ts';
import { countedBallots, preferences, type VoteData } from './ballots.ts';
import { bradleyTerry, type Strength } from './bradley-terry.ts';
import { wilsonInterval } from './wilson.ts';

export interface RankedPicture {
  readonly picture: Picture;
  readonly set: PictureSet;
  /** Share of votes for it: Wilson's 95 % interval; the ranking is by `low`. */
  readonly low: number;
  readonly high: number;
  /** Distinct members whose votes count. */
  readonly voters: number;
}

/** Pictures with at least one counted vote, best first. A member's votes in a set weigh 1 together. */
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
  /** Distinct members with a preference about it. */
  readonly voters: number;
}

/**
 * Arms by strength, best first; those that no counted preference is about are left out.
 *
 * @param armOf - the arm that a picture stands for, null for none
 */
export function rankArms(data: VoteData, armOf: (picture: Picture) => string | null): RankedArm[] {
  const all = preferences(countedBallots(data), armOf);
  const arms = [...new Set(all.flatMap(({ winner, loser }) => [winner, loser]))];
  const strengths = bradleyTerry(arms, all);
  return arms
    .map((arm) => {
      const about = all.filter(({ winner, loser }) => winner === arm || loser === arm);
      return { arm, ...strengths.get(arm)!, voters: new Set(about.map(({ memberId }) => memberId)).size };
    })
    .sort((a, b) => b.estimate - a.estimate || a.arm.localeCompare(b.arm));
}

/** What distinguishes training settings in the ranking, in words: `krona 4×32, lr 0.002, 200 steps`. */
export function settingsArm({ settings }: Pick<Adapter, 'settings'>): string {
  return `${trainingWords(settings)}, ${settings.steps} steps`;
}

/** Chance to beat an average arm, with its 95 % interval: strengths as members read them. */
export function winChance({ estimate, error }: Strength): { chance: number; low: number; high: number } {
  const chance = (logOdds: number): number => 1 / (1 + Math.exp(-logOdds));
  return {
    chance: chance(estimate),
    low: chance(estimate - 1.96 * error),
    high: chance(estimate + 1.96 * error),
  };
}
