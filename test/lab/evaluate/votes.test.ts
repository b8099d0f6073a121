/** Simulated members vote by their taste, and their ballots become pairs by the rule of the chat. */
import { describe, expect, it } from 'vitest';
import { countPairs, type PictureBallot } from '../../../core/preference-pairs.ts';
import { simulatedBallots } from '../../../lab/evaluate/simulated-members.ts';
import { bestSettings } from '../../../lab/evaluate/compare-votes.ts';
import {
  fullVotes,
  gridCells,
  quickVotes,
  resultCells,
  setsOf,
  TEST_PROMPTS,
  VOTED_PROMPTS,
  votesKey,
} from '../../../lab/evaluate/votes-plan.ts';
import type { VotesResult } from '../../../lab/evaluate/votes-study.ts';

const ballot = (
  memberId: string,
  liked: string[],
  rest: string[],
  disliked: string[] = [],
): PictureBallot => ({
  setId: 'set',
  memberId,
  liked,
  neutral: rest,
  disliked,
});

describe('pairs from ballots', () => {
  it('share a weight of 1 a ballot, and opposite opinions cancel', () => {
    const { pairs, winners, members } = countPairs([
      ballot('ann', ['a'], ['b', 'c'], ['d']),
      ballot('ben', ['a'], ['b', 'c', 'd']),
      ballot('cat', ['b'], ['a', 'c', 'd']),
    ]);
    expect(members).toBe(3);
    const weight = (winner: string, loser: string) =>
      pairs.find((pair) => pair.winner === winner && pair.loser === loser)?.weight;
    // 1/5 by ann and 1/3 by ben, less 1/3 by cat.
    expect(weight('a', 'b')).toBeCloseTo(1 / 5);
    expect(weight('a', 'd')).toBeCloseTo(1 / 5 + 1 / 3);
    expect(weight('c', 'd')).toBeCloseTo(1 / 5);
    expect(weight('d', 'c')).toBeUndefined();
    expect(winners[0]!.picture).toBe('a');
    expect(winners.map(({ picture }) => picture)).not.toContain('d');
  });

  it('drop what members are divided on, and ballots that prefer nothing', () => {
    const divided = countPairs([ballot('ann', ['a'], ['b']), ballot('ben', ['b'], ['a'])]);
    expect(divided).toEqual({ pairs: [], winners: [], members: 2 });
    expect(countPairs([ballot('ann', ['a', 'b'], [])]).members).toBe(0);
  });

  it('cap a member at twice the median of all', () => {
    const of = (memberId: string, set: number, liked: string, rest: string) => ({
      ...ballot(memberId, [liked], [rest]),
      setId: String(set),
    });
    const eager = Array.from({ length: 10 }, (_, set) => of('eager', set, `x${set}`, `y${set}`));
    const others = ['ann', 'ben'].map((member, n) => of(member, 20 + n, 'a', 'b'));
    const { pairs } = countPairs([...eager, ...others]);
    const sum = (eagers: boolean) =>
      pairs
        .filter(({ winner }) => winner.startsWith('x') === eagers)
        .reduce((total, { weight }) => total + weight, 0);
    expect(sum(true)).toBeCloseTo(2);
    expect(sum(false)).toBeCloseTo(2);
  });
});

describe('simulated members', () => {
  // The taste prefers picture 3 of every set.
  const scores = Array.from({ length: 400 }, () => [0, 1, 2, 3]);
  const likes = (troll: boolean) => {
    const members = { seed: 1, members: 5, trolls: troll ? 1 : 0 };
    return simulatedBallots(scores, 2000, members);
  };

  it('like what their taste prefers, but for a fifth by chance', () => {
    const best = likes(false).filter(({ liked }) => liked[0]?.endsWith('-3')).length;
    expect(best / 2000).toBeGreaterThan(0.82);
    expect(best / 2000).toBeLessThan(0.88);
  });

  it('include a troll who likes the opposite', () => {
    const own = likes(true).filter(({ memberId }) => memberId === '0');
    const worst = own.filter(({ liked }) => liked[0]?.endsWith('-0')).length;
    expect(worst / own.length).toBeGreaterThan(0.78);
    expect(likes(true).filter(({ memberId }) => memberId !== '0')).toEqual(
      likes(false).filter(({ memberId }) => memberId !== '0'),
    );
  });

  it('vote on a set all together, then on the next', () => {
    const [first, second] = [simulatedBallots(scores, 10, { seed: 1, members: 4, trolls: 0 }), 4];
    expect(first.map(({ setId }) => setId)).toEqual([...'0000111122']);
    expect(new Set(first.map(({ memberId }) => memberId)).size).toBe(second);
  });
});

describe('the plan', () => {
  const subjects = Array.from({ length: 12 }, (_, n) => ({ name: `subject ${n}` }));
  const size = fullVotes(subjects);

  it('chooses settings on subjects, and asks with prompts, that play no part in the results', () => {
    expect(size.tuning.filter((name) => size.subjects.includes(name))).toEqual([]);
    expect(VOTED_PROMPTS.filter((prompt) => (TEST_PROMPTS as readonly string[]).includes(prompt))).toEqual(
      [],
    );
  });

  it('has enough sets for the votes, and a file of its own for every cell', () => {
    for (const each of [size, quickVotes(subjects)]) {
      expect(setsOf(each) * 4).toBeGreaterThanOrEqual(Math.max(...each.votes));
      const cells = [...gridCells(each), ...resultCells(each, each.grid[0]!)];
      expect(new Set(cells.map(votesKey)).size).toBe(cells.length);
    }
  });

  it('takes the settings that win most among those that keep the likeness', () => {
    const [first, second, third] = size.grid;
    const result = (how: (typeof size.grid)[number], wins: number, fidelity: number): VotesResult => {
      const beside = { fidelity: 0.6, alignment: 1, drift: 0 };
      return {
        ...gridCells(size)[0]!,
        how,
        wins,
        adapter: { ...beside, fidelity: 0.6 + fidelity },
        champion: beside,
        pairs: 1,
        gain: 0,
        trained: null,
        heldOut: null,
        seconds: 1,
      };
    };
    const three = [first!, second!, third!];
    const results = [result(first!, 0.6, 0), result(second!, 0.9, -0.1), result(third!, 0.7, -0.01)];
    expect(bestSettings(three, results)).toEqual(third);
    expect(bestSettings([second!], results)).toEqual(second);
  });
});
