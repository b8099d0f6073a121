/**
 * @file The cells of `krona evaluate votes`: a grid of settings on some subjects, then the best of them by number of votes,
 * with a troll, and against the baselines, on subjects that played no part in choosing it.
 */
import type { Preference } from '../../core/settings/choices.ts';
import { TASTES, type Taste } from './tastes.ts';

/** The settings of a refinement. */
export interface RefineSettings {
  /** `examples`: only the photos and the winners, weighted by votes. */
  readonly loss: Preference | 'examples';
  readonly beta: number;
  readonly photoWeight: number;
  /** Share of the steps that come first, without pairs; of the losses on pairs. */
  readonly exampleShare: number;
  readonly steps: number;
  readonly lr: number;
}

/** `steering`: the champion, whose pictures the liked and disliked ones steer without training. */
export type Baseline = 'more photos' | 'best adapter' | 'steering';

/** One adapter, or way of drawing, to compare with the champion: the content of one result file. */
export interface VotesCell {
  readonly subject: string;
  readonly taste: Taste;
  readonly votes: number;
  /** One member in five, instead of none in four. */
  readonly troll: boolean;
  readonly how: RefineSettings | Baseline;
}

export interface VotesSize {
  /** Subjects of the grid, by name, and those of the results. */
  readonly tuning: readonly string[];
  readonly subjects: readonly string[];
  readonly tastes: readonly Taste[];
  readonly grid: readonly RefineSettings[];
  readonly votes: readonly number[];
  /** Votes of the grid, of the trolls and of the baselines. */
  readonly usual: number;
  /** Seeds of every prompt: of sets, and of pictures that compare. */
  readonly setSeeds: number;
  readonly testSeeds: number;
}

/** `{subject}` stands for token and class. No prompt asks for a ground, a style or a shape. */
export const VOTED_PROMPTS = [
  'a {subject}',
  'a {subject} next to a pizza',
  'a {subject} next to an umbrella',
  'a {subject} above a rocket',
  'a {subject} in the top left',
] as const;
/** Never voted on. */
export const TEST_PROMPTS = [
  'a {subject} next to a mushroom',
  'a {subject} above a pizza',
  'a {subject} next to a rocket',
  'a {subject} in the bottom right',
] as const;

const USUAL: RefineSettings = {
  loss: 'dpo',
  beta: 200,
  photoWeight: 0.25,
  exampleShare: 0,
  steps: 100,
  lr: 1e-3,
};

/** From the settings that OneTrainer begins with, one thing at a time. */
const GRID: readonly RefineSettings[] = [
  USUAL,
  { ...USUAL, beta: 2000 },
  { ...USUAL, loss: 'examples' },
  { ...USUAL, beta: 2000, lr: 2e-3 },
  { ...USUAL, loss: 'ipo' },
  { ...USUAL, photoWeight: 1 },
  { ...USUAL, exampleShare: 0.5 },
  { ...USUAL, steps: 200 },
];

export function fullVotes(subjects: readonly { readonly name: string }[]): VotesSize {
  const names = subjects.map(({ name }) => name);
  return {
    tuning: names.slice(0, 2),
    subjects: names.slice(2),
    tastes: TASTES,
    grid: GRID,
    votes: [10, 20, 40, 80],
    usual: 40,
    setSeeds: 4,
    testSeeds: 4,
  };
}

/** A smoke test: too little to decide anything. */
export function quickVotes(subjects: readonly { readonly name: string }[]): VotesSize {
  const names = subjects.map(({ name }) => name);
  return {
    ...fullVotes(subjects),
    tuning: names.slice(0, 1),
    subjects: names.slice(1, 2),
    tastes: ['red ground'],
    grid: [
      { ...USUAL, steps: 10 },
      { ...USUAL, loss: 'examples', steps: 10 },
    ],
    votes: [10],
    usual: 10,
    setSeeds: 1,
    testSeeds: 1,
  };
}

/** Sets that are voted on. */
export const setsOf = ({ setSeeds }: VotesSize): number => VOTED_PROMPTS.length * setSeeds;

/** Members of a channel: four, or five with a troll. */
export const membersOf = ({ troll }: Pick<VotesCell, 'troll'>) =>
  troll ? { members: 5, trolls: 1 } : { members: 4, trolls: 0 };

export function gridCells({ tuning, tastes, grid, usual }: VotesSize): VotesCell[] {
  return grid.flatMap((how) =>
    tuning.flatMap((subject) => tastes.map((taste) => ({ subject, taste, votes: usual, troll: false, how }))),
  );
}

/** The results, the most wanted first: a stopped run has them of all subjects. */
export function resultCells(
  { subjects, tastes, votes, usual }: VotesSize,
  best: RefineSettings,
): VotesCell[] {
  const kinds: Pick<VotesCell, 'votes' | 'troll' | 'how'>[] = [
    { votes: usual, troll: false, how: best },
    { votes: usual, troll: true, how: best },
    { votes: usual, troll: false, how: 'more photos' },
    { votes: usual, troll: false, how: 'steering' },
    ...votes.filter((count) => count !== usual).map((count) => ({ votes: count, troll: false, how: best })),
    { votes: usual, troll: false, how: 'best adapter' },
  ];
  return kinds.flatMap((kind) =>
    subjects.flatMap((subject) => tastes.map((taste) => ({ subject, taste, ...kind }))),
  );
}

/** Names a cell's files. */
export function votesKey({ subject, taste, votes, troll, how }: VotesCell): string {
  const settings =
    typeof how === 'string'
      ? how
      : `${how.loss}-beta${how.beta}-photos${how.photoWeight}-examples${how.exampleShare}-steps${how.steps}-lr${how.lr}`;
  return `${subject}.${taste}.${votes}${troll ? '-troll' : ''}.${settings}`.replaceAll(' ', '-');
}
