/**
 * @file What members preferred within sets of pictures, as weighted pairs to train on. The chat's ballots and simulated
 * members' are counted by the same rule.
 */
import { groupBy } from './group.ts';

/** What a member says of the pictures of a set. */
export interface Opinion<P> {
  readonly liked: readonly P[];
  readonly disliked: readonly P[];
  /** Passed over, or with reactions both for and against. */
  readonly neutral: readonly P[];
}

/** One member's opinion on one set, with the ids of its pictures. */
export interface PictureBallot extends Opinion<string> {
  readonly setId: string;
  readonly memberId: string;
}

export interface WeightedPair {
  readonly setId: string;
  readonly winner: string;
  readonly loser: string;
  /** Above 0: weights for it minus those against it. */
  readonly weight: number;
}

export interface CountedPairs {
  readonly pairs: readonly WeightedPair[];
  /** Pictures that won more than they lost, best first, by that difference; for examples. */
  readonly winners: readonly { readonly setId: string; readonly picture: string; readonly weight: number }[];
  /** Distinct members whose ballots prefer a picture to another. */
  readonly members: number;
}

/** No member has more weight than this many times the median member's, however many sets they vote on. */
const MOST_OF_MEDIAN = 2;

/** What a ballot prefers: liked pictures to all others of the set, and passed-over ones to disliked ones. */
export function ballotPairs<P>({
  liked,
  disliked,
  neutral,
}: Opinion<P>): { readonly winner: P; readonly loser: P }[] {
  return [
    ...liked.flatMap((winner) => [...neutral, ...disliked].map((loser) => ({ winner, loser }))),
    ...neutral.flatMap((winner) => disliked.map((loser) => ({ winner, loser }))),
  ];
}

/**
 * Adds up the ballots of a round. A ballot has the weight 1, which its pairs share; a member's ballots together have at
 * most twice the median member's weight. Opposite opinions on a pair cancel, and a pair without a majority is dropped.
 *
 * @param ballots at most one of a member on a set; a member's own sets must not be among theirs
 */
export function countPairs(ballots: readonly PictureBallot[]): CountedPairs {
  const decided = ballots
    .map((ballot) => ({ ...ballot, preferred: ballotPairs(ballot) }))
    .filter(({ preferred }) => preferred.length > 0);
  const byMember = groupBy(decided, ({ memberId }) => memberId);
  const counts = [...byMember.values()].map(({ length }) => length).sort((a, b) => a - b);
  const most = MOST_OF_MEDIAN * (counts[Math.floor((counts.length - 1) / 2)] ?? 0);
  const sums = new Map<string, { setId: string; winner: string; loser: string; weight: number }>();
  for (const { setId, memberId, preferred } of decided) {
    const ofMember = byMember.get(memberId)?.length ?? 1;
    const weight = Math.min(1, most / ofMember) / preferred.length;
    for (const { winner, loser } of preferred) {
      const forward = winner < loser;
      const [first, second] = forward ? [winner, loser] : [loser, winner];
      const key = JSON.stringify([setId, first, second]);
      const sum = sums.get(key) ?? { setId, winner: first, loser: second, weight: 0 };
      sum.weight += forward ? weight : -weight;
      sums.set(key, sum);
    }
  }
  const pairs = [...sums.values()].flatMap(({ setId, winner, loser, weight }) => {
    // What is left of numbers that cancel is rounding.
    if (Math.abs(weight) < 1e-9) return [];
    return weight > 0
      ? [{ setId, winner, loser, weight }]
      : [{ setId, winner: loser, loser: winner, weight: -weight }];
  });
  return { pairs, winners: winnersOf(pairs), members: byMember.size };
}

function winnersOf(pairs: readonly WeightedPair[]): CountedPairs['winners'] {
  const tallies = new Map<string, { setId: string; picture: string; weight: number }>();
  for (const { setId, winner, loser, weight } of pairs)
    for (const [picture, won] of [
      [winner, weight],
      [loser, -weight],
    ] as const) {
      const tally = tallies.get(picture) ?? { setId, picture, weight: 0 };
      tally.weight += won;
      tallies.set(picture, tally);
    }
  return [...tallies.values()]
    .filter(({ weight }) => weight > 1e-9)
    .sort((a, b) => b.weight - a.weight || (a.picture < b.picture ? -1 : 1));
}
