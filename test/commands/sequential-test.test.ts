import { describe, expect, it } from 'vitest';
import { verdictOf } from '../../commands/votes/sequential-test.ts';
import { PROMPTS, VOTERS } from '../../commands/votes/duel-bounds.ts';
import { randomNumbers } from './helpers.ts';

const verdicts = new Map<string, ReturnType<typeof verdictOf>>();
/** Each verdict is needed a thousand times. */
function known(wins: number, losses: number) {
  const key = `${wins} ${losses}`;
  const verdict = verdicts.get(key) ?? verdictOf(wins, losses);
  verdicts.set(key, verdict);
  return verdict;
}

/** One duel: members vote one after the other, and the test is looked at after every vote. */
function duel(random: () => number, preferred: number, most = PROMPTS.default) {
  let [wins, losses, forFirst, votes] = [0, 0, 0, 0];
  for (let trials = 0; trials < most;) {
    forFirst += random() < preferred ? 1 : 0;
    votes += 1;
    if (votes === VOTERS) {
      if (2 * forFirst > votes) wins += 1;
      else losses += 1;
      [forFirst, votes] = [0, 0];
      trials += 1;
    }
    const { winner } = known(wins, losses);
    if (winner !== null) return { winner, trials };
  }
  return { winner: null, trials: most };
}

describe('the sequential test of duels', () => {
  it('is wrong in at most 5% of 1,000 duels of equal adapters, looked at after every vote', () => {
    const random = randomNumbers(19);
    const ended = Array.from({ length: 1000 }, () => duel(random, 0.5, PROMPTS.most));
    expect(ended.filter(({ winner }) => winner !== null).length).toBeLessThanOrEqual(50);
  });

  // Members who prefer the first adapter's picture with a probability, three a pair.
  it.each([
    [0.65, 0.25],
    [0.7, 0.5],
    [0.75, 0.85],
    [0.8, 0.95],
  ])(
    'finds the better adapter that each member prefers at %f in at least %f of duels',
    (preferred, least) => {
      const random = randomNumbers(7);
      const ended = Array.from({ length: 1000 }, () => duel(random, preferred));
      const found = ended.filter(({ winner }) => winner === 'first').length / 1000;
      expect(found).toBeGreaterThanOrEqual(least);
      expect(ended.filter(({ winner }) => winner === 'second').length).toBeLessThanOrEqual(5);
    },
  );

  it('decides exactly when the interval leaves one half, on its side', () => {
    for (let wins = 0; wins <= 20; wins++)
      for (let losses = 0; losses <= 20; losses++) {
        const { low, high, winner } = verdictOf(wins, losses);
        expect(winner).toBe(low > 0.5 ? 'first' : high < 0.5 ? 'second' : null);
        expect(low).toBeLessThanOrEqual(high);
      }
  });

  it('begins with no knowledge, and mirrors when the adapters change places', () => {
    expect(verdictOf(0, 0)).toEqual({ low: 0, high: 1, evidence: 1, winner: null });
    const [one, other] = [verdictOf(9, 2), verdictOf(2, 9)];
    expect(one.low).toBeCloseTo(1 - other.high, 10);
    expect(one.evidence).toBeCloseTo(other.evidence, 10);
    // By hand: 2^8 · 8!·0!/9! = 256/9, above 20; 2^7/8 = 16 is not.
    expect(verdictOf(8, 0).evidence).toBeCloseTo(256 / 9, 10);
    expect(verdictOf(8, 0).winner).toBe('first');
    expect(verdictOf(0, 7).winner).toBeNull();
  });
});
