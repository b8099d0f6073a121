/**
 * @file What a sweep trains: a grid of factors and learning rates by successive halving (arXiv 1502.07943). Every cell is
 * trained for few steps, then the better half for twice as many, until two are left.
 */
import { at } from './at.ts';
import { KronaError } from './errors.ts';

/** Values of each axis; the grid has all their combinations. */
export interface SweepAxes {
  readonly a1: readonly number[];
  readonly a2: readonly number[];
  readonly lr: readonly number[];
}

export type SweepCell = Readonly<Record<keyof SweepAxes, number>>;

/** How many of the best cells are trained to which step. */
export interface Rung {
  readonly cells: number;
  readonly steps: number;
}

/** Cells left for members to choose from. */
export const FINALISTS = 2;
/** Fewest steps of a cell; fewer hardly change an adapter. */
const LEAST_STEPS = 20;

/** The cells by learning rate, then a1, then a2: in the order of a sheet. */
export const sweepCells = ({ a1, a2, lr }: SweepAxes): SweepCell[] =>
  lr.flatMap((rate) => a1.flatMap((rows) => a2.map((columns) => ({ a1: rows, a2: columns, lr: rate }))));

/** `4×8, lr 0.001`. */
export const cellName = ({ a1, a2, lr }: SweepCell): string => `${a1}×${a2}, lr ${lr}`;

/** The rungs of so many cells; the last has `steps`, and each before it half as many, at least LEAST_STEPS. */
export function rungsOf(cells: number, steps: number): Rung[] {
  const counts = [cells];
  while (at(counts, -1) > FINALISTS) counts.push(Math.max(FINALISTS, Math.ceil(at(counts, -1) / 2)));
  const stepsAt = (rung: number) => Math.ceil(steps / 2 ** (counts.length - 1 - rung));
  return counts.map((count, rung) => ({
    cells: count,
    steps: Math.min(steps, Math.max(LEAST_STEPS, stepsAt(rung))),
  }));
}

/** Steps that all cells take together: what a sweep costs. */
export function sweepSteps(rungs: readonly Rung[]): number {
  return rungs.reduce((sum, { cells, steps }, n) => sum + cells * (steps - (rungs[n - 1]?.steps ?? 0)), 0);
}

/**
 * Checks every cell, and names all that don't fit in one error.
 *
 * @param check throws FACTORS_UNFIT for a cell that doesn't fit
 * @throws KronaError FACTORS_UNFIT; what `check` throws besides
 */
export function checkCells(cells: readonly SweepCell[], check: (cell: SweepCell) => void): void {
  const problems = new Map<string, string[]>();
  for (const cell of cells)
    try {
      check(cell);
    } catch (error) {
      if (!(error instanceof KronaError && error.code === 'FACTORS_UNFIT')) throw error;
      problems.set(error.message, [...(problems.get(error.message) ?? []), cellName(cell)]);
    }
  if (problems.size === 0) return;
  const told = [...problems].map(([message, names]) => `${names.join('; ')}: ${message}`);
  throw new KronaError('FACTORS_UNFIT', told.join(' '));
}

/** @throws KronaError SWEEP_SCHEDULE: cells of half the steps tell nothing of a rate that falls until the last one */
export function checkSchedule(lrSchedule: string | undefined): void {
  if (lrSchedule === undefined || lrSchedule === 'constant') return;
  throw new KronaError(
    'SWEEP_SCHEDULE',
    `A sweep compares cells at half their steps, so the learning rate must be constant; the schedule is ${lrSchedule}. ` +
      'Set the schedule to constant.',
  );
}
