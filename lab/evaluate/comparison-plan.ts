/**
 * @file The trainings of the method comparison: grids of learning rates, factors, ranks and steps, then each method at
 * its best rate, on seeds that played no part in choosing it.
 */
import { at } from '../../core/at.ts';
import type { Method, Target } from '../../core/settings/choices.ts';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';

/** The settings of a training, apart from its subject. */
export interface Setting {
  readonly method: Method;
  /** Of krona; other methods ignore them. */
  readonly a1: number;
  readonly a2: number;
  /** Of lora. */
  readonly rank: number;
  readonly lr: number;
  /** Attention by default. */
  readonly targets?: readonly Target[];
  /** λ of the prior on ΔW; 0 by default. */
  readonly priorL2?: number;
  /** Other options that differ from the defaults, and their name in the result's file. */
  readonly trial?: Trial;
}

export interface Trial {
  readonly name: string;
  readonly options: Partial<TrainOptions>;
}

export interface Training extends Setting {
  readonly subject: string;
  readonly seed: number;
  /** Optimiser steps at which the adapter is judged, ascending; it is trained for the last. */
  readonly steps: readonly number[];
}

/** A training at one of its step counts: the content of one result file. */
export interface Cell extends Setting {
  readonly subject: string;
  readonly seed: number;
  readonly steps: number;
}

export interface ComparisonSize {
  /** Subjects by name, in the recipe's order; those of the steps study must be simple ones. */
  readonly subjects: readonly string[];
  readonly simple: readonly string[];
  readonly rates: Readonly<Record<Method, readonly number[]>>;
  /** Factors of A, each with its mirror image, which has as many parameters. */
  readonly factors: readonly (readonly [number, number])[];
  readonly ranks: readonly number[];
  /** λ of krona's prior on ΔW, beside none. */
  readonly priors: readonly number[];
  /** Seeds of the comparison itself; the grids are on seed 0. */
  readonly seeds: readonly number[];
  readonly steps: number;
  /** Of the steps study: the second last must match the last. */
  readonly longSteps: readonly number[];
  /** Factors and rank of the comparison. */
  readonly a1: number;
  readonly a2: number;
  readonly rank: number;
}

export const GRID_SEED = 0;

/** At least half of LoRA's parameters: on the embedded model 2×8 has 56% of rank 8. */
const CHOSEN = { a1: 2, a2: 8, rank: 8 } as const;

export function fullSize(subjects: readonly { name: string; simple: boolean }[]): ComparisonSize {
  return {
    ...CHOSEN,
    subjects: subjects.map(({ name }) => name),
    simple: subjects.filter(({ simple }) => simple).map(({ name }) => name),
    rates: {
      krona: [1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 2e-2],
      lora: [1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 2e-2],
      full: [5e-5, 2e-4, 1e-3],
    },
    factors: [
      [2, 8],
      [8, 2],
      [2, 32],
      [32, 2],
      [4, 16],
      [16, 4],
      [4, 64],
      [64, 4],
      [8, 64],
      [64, 8],
    ],
    ranks: [1, 2, 4, 8, 16],
    priors: [3e-5, 1e-4, 3e-4, 1e-3, 3e-3],
    seeds: [1, 2],
    steps: 200,
    longSteps: [100, 200, 500, 1000],
  };
}

/** The same in a few minutes, as a smoke test; too little to decide anything. */
export function quickSize(subjects: readonly { name: string; simple: boolean }[]): ComparisonSize {
  const chosen = [...subjects.filter(({ simple }) => simple).slice(0, 2), ...subjects.slice(-1)];
  return {
    ...CHOSEN,
    subjects: chosen.map(({ name }) => name),
    simple: chosen.filter(({ simple }) => simple).map(({ name }) => name),
    rates: { krona: [1e-3, 5e-3], lora: [1e-3, 5e-3], full: [2e-4] },
    factors: [
      [2, 8],
      [8, 2],
    ],
    ranks: [2, 8],
    priors: [1e-3],
    seeds: [1],
    steps: 100,
    longSteps: [50, 100, 200],
  };
}

/** Names a result; leaves out settings that a method ignores, so that equal trainings share it. */
export function cellKey(cell: Cell): string {
  const { subject, method, a1, a2, rank, lr, priorL2, trial, steps, seed } = cell;
  const form = { krona: `${a1}x${a2}`, lora: `r${rank}`, full: 'all' }[method];
  return `${subject.replaceAll(' ', '-')}.${method}-${form}-lr${lr}${priorL2 ? `-prior${priorL2}` : ''}${trial ? `-${trial.name}` : ''}-steps${steps}-seed${seed}`;
}

export const cellsOf = ({ steps, ...rest }: Training): Cell[] =>
  steps.map((each) => ({ ...rest, steps: each }));

/** The grid of learning rates, which sets the rate for the rest. */
export function ratesStudy(size: ComparisonSize): Cell[] {
  const { subjects, rates, a1, a2, rank, steps } = size;
  return subjects.flatMap((subject) =>
    (Object.entries(rates) as [Method, readonly number[]][]).flatMap(([method, values]) =>
      values.map((lr) => ({ subject, method, a1, a2, rank, lr, steps, seed: GRID_SEED })),
    ),
  );
}

/** The comparison itself. @param best each method's learning rate */
export function methodsStudy(size: ComparisonSize, best: Readonly<Record<Method, number>>): Cell[] {
  const { subjects, seeds, a1, a2, rank, steps } = size;
  return subjects.flatMap((subject) =>
    seeds.flatMap((seed) =>
      (['krona', 'lora', 'full'] as const).map((method) => ({
        subject,
        method,
        a1,
        a2,
        rank,
        lr: best[method],
        steps,
        seed,
      })),
    ),
  );
}

/** Krona's factors and LoRA's ranks, each at its method's rate. */
export function formsStudy(size: ComparisonSize, best: Readonly<Record<Method, number>>): Cell[] {
  const { subjects, factors, ranks, a1, a2, rank, steps } = size;
  return subjects.flatMap((subject) => {
    const common = { subject, steps, seed: GRID_SEED };
    return [
      ...factors.map(([first, second]) => ({
        ...common,
        method: 'krona' as const,
        a1: first,
        a2: second,
        rank,
        lr: best.krona,
      })),
      ...ranks.map((each) => ({ ...common, method: 'lora' as const, a1, a2, rank: each, lr: best.lora })),
    ];
  });
}

/** Krona without a prior on ΔW, and with each. */
export function priorsStudy(size: ComparisonSize, best: Readonly<Record<Method, number>>): Cell[] {
  const { subjects, priors, a1, a2, rank, steps } = size;
  const common = { method: 'krona', a1, a2, rank, lr: best.krona, steps, seed: GRID_SEED } as const;
  return subjects.flatMap((subject) => [
    { ...common, subject },
    ...priors.map((priorL2) => ({ ...common, subject, priorL2 })),
  ]);
}

/** Krona on simple subjects, judged at several step counts. */
export function stepsStudy(size: ComparisonSize, best: Readonly<Record<Method, number>>): Cell[] {
  const { simple, longSteps, a1, a2, rank } = size;
  return simple.flatMap((subject) =>
    longSteps.map((steps) => ({
      subject,
      method: 'krona' as const,
      a1,
      a2,
      rank,
      lr: best.krona,
      steps,
      seed: GRID_SEED,
    })),
  );
}

/**
 * Trainings for cells, each once: cells that differ only in steps are stages of one training, because the learning rate
 * is constant and randomness depends on the step number only.
 */
export function trainingsFor(cells: readonly Cell[]): Training[] {
  const trainings = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = cellKey({ ...cell, steps: 0 });
    trainings.set(key, [...(trainings.get(key) ?? []), cell]);
  }
  return [...trainings.values()].map((stages) => ({
    ...at(stages, 0),
    steps: [...new Set(stages.map(({ steps }) => steps))].sort((a, b) => a - b),
  }));
}
