/** @file What the rounds of the simulation came to. */

export interface Round {
  readonly jobs: number;
  readonly channels: number;
  readonly workers: number;
  /** How long it took to put the jobs into the queue, and to work them off, s. */
  readonly filled: number;
  readonly took: number;
  readonly kills: Readonly<Record<'worker' | 'bot' | 'redis' | 'postgres', number>>;
  /** Jobs that did not end well, and those of them that say so. */
  readonly lost: number;
  readonly failed: number;
  /** Without a picture, or with two. */
  readonly wrong: number;
  /** Taken again after a kill or an outage. */
  readonly again: number;
  readonly outOfOrder: number;
  /** The longest time by which a job was taken after a later one of its member, ms. */
  readonly latest: number;
  /** Jobs of a channel while all waited. */
  readonly least: number;
  readonly most: number;
}

export function roundsTable(rounds: readonly Round[]): [string, string][] {
  const [first] = rounds;
  if (first === undefined) return [];
  const sum = (value: (round: Round) => number) => rounds.reduce((all, round) => all + value(round), 0);
  const kinds = ['worker', 'bot', 'redis', 'postgres'] as const;
  const jobs = sum((round) => round.jobs);
  const [filled, took] = [sum((round) => round.filled), sum((round) => round.took)];
  return [
    ['jobs, in rounds, channels, workers', `${jobs}, ${rounds.length}, ${first.channels}, ${first.workers}`],
    ['put into the queue', `${(jobs / filled).toFixed(0)} jobs/s`],
    ['worked off', `${(jobs / took).toFixed(0)} jobs/s, in ${took.toFixed(0)} s`],
    [
      'kills of workers, bot, Redis, PostgreSQL',
      kinds.map((kind) => String(sum((round) => round.kills[kind]))).join(', '),
    ],
    ['lost', String(sum((round) => round.lost))],
    ['of these failed, and said so', String(sum((round) => round.failed))],
    ['twice, or without a picture', String(sum((round) => round.wrong))],
    ['taken again after a kill or an outage', String(sum((round) => round.again))],
    [
      "out of their member's order, by at most",
      `${sum((round) => round.outOfOrder)}, ${Math.max(...rounds.map(({ latest }) => latest))} ms`,
    ],
    [
      'jobs of a channel while all waited, fewest and most',
      rounds.map(({ least, most }) => `${least} to ${most}`).join('; '),
    ],
  ];
}
