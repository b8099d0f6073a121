/** @file When votes change the adapter that a subject's prompts use. Decides; writes nothing. */
import type { Adapter, Subject } from '../../core/records.ts';
import { countedBallots, preferences, type VoteData } from './ballots.ts';
import { bradleyTerry } from './bradley-terry.ts';

/** Fewest distinct members that must have voted on an adapter's pictures. */
const MIN_VOTERS = 3;

/**
 * Standard errors between an estimate and its lower bound: right 7 times in 8. Three members who agree on one of four
 * pictures suffice, a draw does not. More caution would never let a small channel decide, and a wrong change costs
 * little: votes or a hand turn it back.
 */
const CAUTION = 1.15;

export interface ChampionChange {
  readonly adapterId: string;
  readonly previousId: string | null;
  readonly voters: number;
  /** Why, for the announcement. */
  readonly reason: string;
}

/**
 * The adapter that should become a subject's champion by votes, or null when nothing changes.
 *
 * It needs three things, each against another way to be wrong: `MIN_VOTERS` members (no clique of two), a lower
 * bound above the current champion's estimate (no luck of few votes), and to stay ahead of the champion without
 * the votes of any single member (nobody decides alone by voting on every set). A pinned champion stays.
 *
 * @param adapters - the subject's adapters
 */
export function decideChampion(
  subject: Pick<Subject, 'championId' | 'championPinned'>,
  adapters: readonly Adapter[],
  data: VoteData,
): ChampionChange | null {
  if (subject.championPinned || adapters.length === 0) return null;
  const ids = adapters.map((adapter) => adapter.id);
  const ballots = countedBallots(data);
  const all = preferences(ballots, ({ adapterId }) =>
    adapterId !== null && ids.includes(adapterId) ? adapterId : null,
  );
  const strengths = bradleyTerry(ids, all);
  const best = ids.reduce((a, b) => (strengths.get(b)!.estimate > strengths.get(a)!.estimate ? b : a));
  if (best === subject.championId) return null;

  const voters = new Set(
    ballots
      .filter(({ liked, disliked }) => [...liked, ...disliked].some(({ adapterId }) => adapterId === best))
      .map(({ memberId }) => memberId),
  ).size;
  if (voters < MIN_VOTERS) return null;

  const { estimate, error } = strengths.get(best)!;
  const current = subject.championId;
  // Without a champion there is nothing to lose: better than the average adapter, whose strength is 0, is enough.
  const bar = (of: ReturnType<typeof bradleyTerry>): number => of.get(current ?? '')?.estimate ?? 0;
  if (estimate - (current === null ? 0 : CAUTION * error) <= bar(strengths)) return null;
  for (const memberId of new Set(all.map((preference) => preference.memberId))) {
    const others = bradleyTerry(
      ids,
      all.filter((preference) => preference.memberId !== memberId),
    );
    if (others.get(best)!.estimate <= bar(others)) return null;
  }
  return {
    adapterId: best,
    previousId: current,
    voters,
    reason: `${voters} members voted on its pictures, and it is ahead of ${current === null ? 'the others' : 'the champion before'} whoever’s votes are left out`,
  };
}
