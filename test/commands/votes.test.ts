import { describe, expect, it } from 'vitest';
import { bradleyTerry, type Comparison } from '../../commands/votes/bradley-terry.ts';
import { countedBallots, type VoteData } from '../../core/votes/ballots.ts';
import { preferences } from '../../commands/votes/preferences.ts';
import { decideChampion } from '../../commands/votes/champion.ts';
import { foldEmoji, invitingEmoji, meaningOf } from '../../core/votes/emoji.ts';
import { rankArms, rankPictures } from '../../commands/votes/ranking.ts';
import { steerVotes } from '../../core/votes/steer-votes.ts';
import { wilsonInterval } from '../../core/votes/wilson.ts';
import type { Adapter, Picture, PictureSet, StandingVote } from '../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { randomNumbers } from './helpers.ts';

const T0 = new Date(0);

/** Sets with pictures by adapters, and the reactions on them. */
class Votes implements VoteData {
  readonly votes: StandingVote[] = [];
  readonly pictures: Picture[] = [];
  readonly sets: PictureSet[] = [];

  /** A set of one picture for each adapter, in this order. */
  set(adapterIds: readonly string[], owner = 'owner'): Picture[] {
    const id = `set-${this.sets.length}`;
    this.sets.push({
      id,
      channelId: 'channel',
      memberId: owner,
      kind: 'finals',
      runId: 'run',
      subjectId: 'subject',
      prompt: 'mochi',
      negative: null,
      seed: 1,
      count: adapterIds.length,
      strength: 1,
      model: 'default',
      settings: DEFAULT_SETTINGS,
      adapterId: null,
      alsoAdapterIds: [],
      variationOf: null,
      upscaleOf: null,
      start: null,
      steering: null,
      awaitsRunId: null,
      duelId: null,
      duelPlace: null,
      promptLength: null,
      state: 'done',
      progress: null,
      failure: null,
      revision: 1,
      createdAt: T0,
      endedAt: T0,
    });
    const pictures = adapterIds.map((adapterId, index) => ({
      id: `${id}/${index}`,
      setId: id,
      index,
      blobHash: '',
      width: 128,
      height: 128,
      seed: index,
      prompt: null,
      adapterId,
      unsafe: null,
      size: 1,
      sensitive: false,
    }));
    this.pictures.push(...pictures);
    return pictures;
  }

  react(memberId: string, picture: Picture, emoji = '👍'): void {
    this.votes.push({ pictureId: picture.id, memberId, emoji, at: T0 });
  }
}

function adapter(id: string): Adapter {
  return {
    id,
    runId: 'run',
    subjectId: 'subject',
    channelId: 'channel',
    step: 1,
    final: false,
    blobHash: '',
    size: 1,
    model: 'default',
    settings: DEFAULT_SETTINGS,
    createdAt: T0,
  };
}

const byAdapter = (picture: Picture): string | null => picture.adapterId;

/** Members who like one picture a set: the one with the highest truth + bias of its place + their own taste. */
interface Crowd {
  readonly truth: Readonly<Record<string, number>>;
  readonly members: number;
  readonly sets: number;
  /** How much the first place attracts. */
  readonly firstPlace?: number;
  /** Order of the pictures; random by default. */
  readonly order?: (arms: string[], set: number) => string[];
  /** Somebody who reacts with everything he has to the pictures of one adapter, in every set. */
  readonly spammerFor?: string;
}

function simulate(crowd: Crowd, seed: number): Votes {
  const random = randomNumbers(seed);
  const votes = new Votes();
  const shuffle = (list: string[]): string[] =>
    list
      .map((value) => ({ value, key: random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ value }) => value);
  // A Gumbel taste makes choices follow Plackett–Luce with strengths `truth`.
  const taste = (): number => -Math.log(-Math.log(random() + 1e-12));
  for (let set = 0; set < crowd.sets; set++) {
    const arms = Object.keys(crowd.truth);
    const pictures = votes.set(crowd.order ? crowd.order(arms, set) : shuffle(arms));
    for (let member = 0; member < crowd.members; member++) {
      const scores = pictures.map(
        (picture) =>
          crowd.truth[picture.adapterId!]! + (picture.index === 0 ? (crowd.firstPlace ?? 0) : 0) + taste(),
      );
      votes.react(`member-${member}`, pictures[scores.indexOf(Math.max(...scores))]!);
      if (random() < 0.3)
        votes.react(`member-${member}`, pictures[scores.indexOf(Math.min(...scores))]!, '👎');
    }
    for (const picture of pictures)
      if (picture.adapterId === crowd.spammerFor)
        for (const emoji of ['👍', '❤️', '🔥', '🎉', '👏', '💯', '⭐'])
          votes.react('spammer', picture, emoji);
  }
  return votes;
}

const order = (data: VoteData): string =>
  rankArms(data, byAdapter)
    .map(({ arm }) => arm)
    .join('');

/** In how many of 20 simulated channels something holds. */
function holds(check: (seed: number) => boolean): number {
  return Array.from({ length: 20 }, (_, seed) => check(seed + 1)).filter(Boolean).length;
}

describe('emoji', () => {
  it('count the same in every skin tone, with or without variation selector, and by name', () => {
    for (const emoji of ['👍', '👍🏻', '👍🏿', '+1', '+1::skin-tone-3', ':thumbsup:']) {
      expect(foldEmoji(emoji)).toBe('👍');
      expect(meaningOf(emoji)).toEqual({ sign: 1, place: null });
    }
    for (const emoji of ['❤', '❤️', 'heart', ':heart:']) expect(meaningOf(emoji).sign).toBe(1);
    expect(meaningOf('constructor').sign).toBe(0);
    for (const emoji of ['👎🏽', '-1', 'thumbsdown::skin-tone-6']) expect(meaningOf(emoji).sign).toBe(-1);
    expect(meaningOf('🦆')).toEqual({ sign: 0, place: null });
  });

  it('for numbers mean the picture at that position, as Krona offers them', () => {
    expect(invitingEmoji(3)).toEqual(['1️⃣', '2️⃣', '3️⃣']);
    expect(invitingEmoji(4).map((emoji) => meaningOf(emoji))).toEqual(
      [0, 1, 2, 3].map((place) => ({ sign: 1, place })),
    );
    expect(meaningOf('three')).toEqual({ sign: 1, place: 2 });
  });
});

describe("Wilson's interval", () => {
  it('matches the formula for known counts', () => {
    // 8 of 10 at 95 %: [0.4902, 0.9433] (Brown, Cai and DasGupta 2001, the Wilson interval).
    expect(wilsonInterval(8, 10).low).toBeCloseTo(0.4902, 4);
    expect(wilsonInterval(8, 10).high).toBeCloseTo(0.9433, 4);
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
    expect(wilsonInterval(0, 5).low).toBe(0);
    expect(wilsonInterval(5, 5).high).toBe(1);
  });

  it('covers the true share in 95 of 100 cases', () => {
    const n = 20;
    const choose = Array.from({ length: n + 1 }, () => 1);
    for (let k = 1; k <= n; k++) choose[k] = (choose[k - 1]! * (n - k + 1)) / k;
    let covered = 0;
    for (let percent = 1; percent < 100; percent++)
      for (let k = 0; k <= n; k++) {
        const { low, high } = wilsonInterval(k, n);
        const share = percent / 100;
        if (low <= share && share <= high) covered += choose[k]! * share ** k * (1 - share) ** (n - k);
      }
    expect(covered / 99).toBeCloseTo(0.95, 1.7);
  });
});

describe('Bradley–Terry', () => {
  const beats = (winner: string, loser: string, weight: number): Comparison => ({
    winner,
    loser,
    weight,
    winnerPlace: 0,
    loserPlace: 0,
  });

  it('finds the mode of the posterior, with its curvature as error', () => {
    const weights = { ab: 6, ba: 2, bc: 3, cb: 3 };
    const all = [beats('a', 'b', 6), beats('b', 'a', 2), beats('b', 'c', 3), beats('c', 'b', 3)];
    const strengths = bradleyTerry(['a', 'b', 'c'], all);
    const posterior = (a: number, b: number, c: number): number => {
      const log = (x: number): number => -Math.log1p(Math.exp(-x));
      const prior = -(a * a + b * b + c * c) / (2 * 1.5 ** 2);
      return (
        weights.ab * log(a - b) +
        weights.ba * log(b - a) +
        weights.bc * log(b - c) +
        weights.cb * log(c - b) +
        prior
      );
    };
    const at = ['a', 'b', 'c'].map((arm) => strengths.get(arm)!.estimate) as [number, number, number];
    const top = posterior(...at);
    for (const [i, step] of [0, 1, 2].flatMap((k) => [[k, 0.01] as const, [k, -0.01] as const])) {
      const moved = [...at] as [number, number, number];
      moved[i] = at[i]! + step;
      expect(posterior(...moved)).toBeLessThan(top);
    }
    expect(strengths.get('a')!.estimate).toBeGreaterThan(strengths.get('b')!.estimate);
    expect(strengths.get('a')!.error).toBeLessThan(1.5);
  });

  it('leaves an adapter without comparisons at the prior, and one that always wins finite', () => {
    const strengths = bradleyTerry(['a', 'b', 'new'], [beats('a', 'b', 1000)]);
    expect(strengths.get('new')!.estimate).toBeCloseTo(0, 12);
    expect(strengths.get('new')!.error).toBeCloseTo(1.5, 9);
    expect(strengths.get('a')!.estimate).toBeLessThan(10);
    expect(bradleyTerry([], [])).toEqual(new Map());
  });

  it('becomes more certain with more votes', () => {
    const errorAfter = (votes: number): number =>
      bradleyTerry(['a', 'b'], [beats('a', 'b', votes), beats('b', 'a', votes)]).get('a')!.error;
    expect(errorAfter(1)).toBeGreaterThan(errorAfter(5));
    expect(errorAfter(5)).toBeGreaterThan(errorAfter(50));
  });
});

describe('ballots', () => {
  it('weigh 1 per member and set, for any number of reactions', () => {
    const votes = new Votes();
    const [a, b, c] = votes.set(['A', 'B', 'C', 'D']) as [Picture, Picture, Picture, Picture];
    for (const emoji of ['👍', '👍🏽', '❤️', '🔥']) votes.react('eve', a, emoji);
    votes.react('eve', b);
    votes.react('eve', c, '👎');
    const all = preferences(countedBallots(votes), byAdapter);
    expect(all.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
    expect(all.map(({ winner, loser }) => winner + loser).sort()).toEqual(['AC', 'AD', 'BC', 'BD', 'DC']);
  });

  it("ignore votes on a member's own set, other emoji, and members who like everything", () => {
    const votes = new Votes();
    const pictures = votes.set(['A', 'B'], 'ann');
    votes.react('ann', pictures[0]!);
    votes.react('bob', pictures[0]!, '🦆');
    expect(countedBallots(votes)).toEqual([]);
    for (const picture of pictures) votes.react('cid', picture);
    expect(preferences(countedBallots(votes), byAdapter)).toEqual([]);
    expect(rankPictures(votes).map(({ voters }) => voters)).toEqual([1, 1]);
  });

  it('ignore a picture that a member both likes and dislikes', () => {
    const votes = new Votes();
    const [a] = votes.set(['A', 'B']) as [Picture, Picture];
    votes.react('bob', a, '👍');
    votes.react('bob', a, '👎');
    expect(preferences(countedBallots(votes), byAdapter)).toEqual([]);
    expect(rankPictures(votes)).toEqual([]);
  });
});

describe('the ranking of pictures', () => {
  it('ranks many good votes above one, and a disputed picture below both', () => {
    const votes = new Votes();
    const [loved, once, disputed] = votes.set(['A', 'B', 'C']) as [Picture, Picture, Picture];
    for (const member of ['b', 'c', 'd', 'e', 'f']) votes.react(member, loved);
    votes.react('g', once);
    votes.react('h', disputed);
    votes.react('i', disputed, '👎');
    expect(rankPictures(votes).map(({ picture }) => picture.id)).toEqual([loved.id, once.id, disputed.id]);
  });
});

describe('the ranking of adapters', () => {
  const truth = { A: 1.6, B: 0.8, C: 0, D: -0.8 };

  it("recovers a channel's true preference", () => {
    expect(
      holds((seed) => order(simulate({ truth, members: 8, sets: 12 }, seed)) === 'ABCD'),
    ).toBeGreaterThanOrEqual(18);
  });

  it('ignores a member who reacts with every emoji to a favourite, the worst', () => {
    const recovered = holds((seed) =>
      order(simulate({ truth, members: 8, sets: 12, spammerFor: 'D' }, seed)).startsWith('AB'),
    );
    expect(recovered).toBeGreaterThanOrEqual(18);
  });

  it('corrects for the first position, which attracts votes, even if the worst is often there', () => {
    const crowd: Crowd = {
      truth: { A: 1, B: 0.4, C: 0.1, D: -0.5 },
      members: 10,
      sets: 24,
      firstPlace: 1.2,
      // D first in two sets of three; the others take turns.
      order: (arms, set) => {
        const [a, b, c, d] = arms as [string, string, string, string];
        const rest = [
          [a, b, c],
          [b, c, a],
          [c, a, b],
        ][set % 3]!;
        return set % 3 === 0 ? [rest[0]!, d, ...rest.slice(1)] : [d, ...rest];
      },
    };
    const raw = holds((seed) => {
      const votes = simulate(crowd, seed);
      const likes = (arm: string): number =>
        votes.votes.filter(
          ({ pictureId, emoji }) =>
            emoji === '👍' && votes.pictures.find(({ id }) => id === pictureId)!.adapterId === arm,
        ).length;
      return likes('D') < Math.min(likes('A'), likes('B'), likes('C'));
    });
    // Counting thumbs would not find that D is the worst; the fit of the places does.
    expect(raw).toBeLessThanOrEqual(2);
    expect(holds((seed) => order(simulate(crowd, seed)).endsWith('D'))).toBeGreaterThanOrEqual(16);
    expect(holds((seed) => order(simulate(crowd, seed)).startsWith('A'))).toBeGreaterThanOrEqual(18);
  });

  it('gives valid errors: the truth is within two of them', () => {
    const centred = { A: 0.75, B: 0.25, C: -0.25, D: -0.75 };
    let inside = 0;
    for (let seed = 1; seed <= 20; seed++)
      for (const { arm, estimate, error } of rankArms(
        simulate({ truth: centred, members: 8, sets: 6 }, seed),
        byAdapter,
      ))
        if (Math.abs(estimate - centred[arm as keyof typeof centred]) <= 2 * error) inside += 1;
    expect(inside / 80).toBeGreaterThan(0.9);
  });
});

describe('the champion', () => {
  const adapters = ['A', 'B', 'C', 'D'].map(adapter);
  const subject = { championId: 'D', championPinned: false };

  it('changes when three members agree, and gives them as the reason', () => {
    const votes = new Votes();
    const [a] = votes.set(['A', 'B', 'C', 'D']) as [Picture];
    votes.react('bob', a);
    votes.react('cid', a, '❤️');
    expect(decideChampion(subject, adapters, votes)).toBeNull();
    votes.react('dee', a, '2️⃣');
    const change = decideChampion(subject, adapters, votes);
    expect(change).toMatchObject({ adapterId: 'A', previousId: 'D', voters: 3 });
    expect(change!.reason).toContain('3 members');
  });

  it("doesn't change by the requester's votes, by two members' votes, or when pinned", () => {
    const votes = new Votes();
    const [a] = votes.set(['A', 'B', 'C', 'D'], 'ann') as [Picture];
    for (const member of ['ann', 'bob', 'cid']) votes.react(member, a);
    expect(decideChampion(subject, adapters, votes)).toBeNull();
    for (const member of ['dee', 'eve', 'fay']) votes.react(member, a);
    expect(decideChampion(subject, adapters, votes)).not.toBeNull();
    expect(decideChampion({ ...subject, championPinned: true }, adapters, votes)).toBeNull();
    expect(decideChampion({ ...subject, championId: 'A' }, adapters, votes)).toBeNull();
  });

  it("doesn't change when members are split", () => {
    const votes = new Votes();
    const [a, , , d] = votes.set(['A', 'B', 'C', 'D']) as [Picture, Picture, Picture, Picture];
    for (const member of ['bob', 'cid', 'dee']) votes.react(member, a);
    for (const member of ['eve', 'fay', 'gus']) votes.react(member, d);
    expect(decideChampion(subject, adapters, votes)).toBeNull();
  });

  it('is not decided by one member who votes on every set', () => {
    const votes = new Votes();
    for (let i = 0; i < 30; i++) {
      const [a, , , d] = votes.set(['A', 'B', 'C', 'D']) as [Picture, Picture, Picture, Picture];
      votes.react('fan', a);
      if (i < 3) for (const member of ['bob', 'cid']) votes.react(member, d);
      if (i === 3) votes.react('bob', a);
      if (i === 4) votes.react('cid', a);
    }
    expect(order(votes).startsWith('A')).toBe(true);
    expect(decideChampion(subject, adapters, votes)).toBeNull();
  });

  it('is the best one where there was none, and never a deleted adapter', () => {
    const votes = new Votes();
    const [a] = votes.set(['A', 'B', 'C', 'D']) as [Picture];
    for (const member of ['bob', 'cid', 'dee', 'eve']) votes.react(member, a);
    const none = { championId: null, championPinned: false };
    expect(decideChampion(none, adapters, votes)).toMatchObject({ adapterId: 'A', previousId: null });
    expect(decideChampion(none, adapters.slice(1), votes)).toBeNull();
    expect(decideChampion(none, [], votes)).toBeNull();
  });

  it('becomes the truly best one in most channels, and rarely changes when all are equal', () => {
    const better = { truth: { A: 1.5, B: 0, C: 0, D: 0 }, members: 8, sets: 4 };
    expect(
      holds((seed) => decideChampion(subject, adapters, simulate(better, seed))?.adapterId === 'A'),
    ).toBeGreaterThanOrEqual(17);
    const equal = { truth: { A: 0, B: 0, C: 0, D: 0 }, members: 8, sets: 4 };
    expect(
      holds((seed) => decideChampion(subject, adapters, simulate(equal, seed)) !== null),
    ).toBeLessThanOrEqual(5);
  });
});

describe('pictures that steer', () => {
  it('are those with the most votes of others, two of each kind', () => {
    const votes = new Votes();
    const [a, b, c, d] = votes.set(['x', 'x', 'x', 'x']) as [Picture, Picture, Picture, Picture];
    votes.react('owner', d);
    expect(steerVotes('subject', votes)).toBeNull();
    votes.react('ann', a);
    expect(steerVotes('subject', votes)).toEqual({ liked: [a.id], disliked: [] });
    // A vote for two is worth half for each.
    for (const picture of [b, c]) votes.react('bob', picture);
    votes.react('cid', c);
    votes.react('cid', b, '👎');
    votes.react('dan', d, '👎');
    // Of equal ones, that which was named later.
    expect(steerVotes('subject', votes)).toEqual({ liked: [c.id, a.id], disliked: [d.id] });
    expect(steerVotes(null, votes)).toBeNull();
  });

  it('are neither hidden nor voted for as much as against', () => {
    const votes = new Votes();
    const [a, b] = votes.set(['x', 'x']) as [Picture, Picture];
    votes.react('ann', a);
    votes.react('bob', b);
    votes.react('cid', b, '👎');
    votes.pictures[0] = { ...a, sensitive: true };
    expect(steerVotes('subject', votes)).toBeNull();
  });
});
