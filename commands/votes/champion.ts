/** @file Decides when votes change a subject's champion. */
import type { Adapter, Subject } from '../../core/records.ts';
import { countedBallots, type VoteData } from '../../core/votes/ballots.ts';
import { preferences } from './preferences.ts';
import { bradleyTerry, strengthOf } from './bradley-terry.ts';

/** Fewest distinct members that must have voted on an adapter's pictures. */
const MIN_VOTERS = 3;

/**
 * Standard errors between an estimate and its lower bound, which holds 7 times in 8. Three members who agree on one of
 * four pictures are enough; a draw is not. With more caution, a small channel could never decide, and a wrong change is
 * cheap: votes or a member can undo it.
 */
const CAUTION = 1.15;

export interface ChampionChange {
  readonly adapterId: string;
  readonly previousId: string | null;
  readonly voters: number;
  /** The reason, for the announcement. */
  readonly reason: string;
}

/**
 * Returns the adapter that should become a subject's champion by votes, null when nothing changes.
 *
 * The adapter needs `MIN_VOTERS` voters (two members can't decide), a lower bound above the champion's estimate (so it
 * is not luck), and a lead that remains without the votes of any one member (nobody decides alone by voting on every
 * set). A pinned champion stays.
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
  // A duel has its own test: its ballots decide nothing else.
  const ballots = countedBallots({ ...data, sets: data.sets.filter(({ duelId }) => duelId === null) });
  const all = preferences(ballots, ({ adapterId }) =>
    adapterId !== null && ids.includes(adapterId) ? adapterId : null,
  );
  const strengths = bradleyTerry(ids, all);
  const estimateOf = (id: string): number => strengthOf(strengths, id).estimate;
  const best = ids.reduce((a, b) => (estimateOf(b) > estimateOf(a) ? b : a));
  if (best === subject.championId) return null;

  const voters = new Set(
    ballots
      .filter(({ liked, disliked }) => [...liked, ...disliked].some(({ adapterId }) => adapterId === best))
      .map(({ memberId }) => memberId),
  ).size;
  if (voters < MIN_VOTERS) return null;

  const { estimate, error } = strengthOf(strengths, best);
  const current = subject.championId;
  // Without a champion, it is enough to be better than the average adapter, whose strength is 0.
  const bar = (of: ReturnType<typeof bradleyTerry>): number => of.get(current ?? '')?.estimate ?? 0;
  if (estimate - (current === null ? 0 : CAUTION * error) <= bar(strengths)) return null;
  for (const memberId of new Set(all.map((preference) => preference.memberId))) {
    const others = bradleyTerry(
      ids,
      all.filter((preference) => preference.memberId !== memberId),
    );
    if (strengthOf(others, best).estimate <= bar(others)) return null;
  }
  return {
    adapterId: best,
    previousId: current,
    voters,
    reason: `${voters} members voted on its pictures. It is ahead of ${current === null ? 'the others' : 'the previous champion'}, even without the votes of any one member`,
  };
}
