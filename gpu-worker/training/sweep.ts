/**
 * @file Trains a grid of factors and learning rates by successive halving (arXiv 1502.07943): every cell for few steps, then
 * the better half for twice as many, until two are left. Cells go on from their own checkpoints, and share latents of the
 * photos and the model's own pictures. What is done is kept in the folder, so a sweep that was stopped goes on there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { makeFolder, writeWhole } from '../../core/files.ts';
import type { CheckpointScore } from '../../core/records.ts';
import { ADAPTER_METHODS } from '../adapters/methods.ts';
import { openModel } from '../models/open-model.ts';
import type { SharedWork, TrainHooks } from './train-hooks.ts';
import { trainAdapter } from './train.ts';
import type { TrainOptions } from './train-options.ts';

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

export interface SweepResult extends SweepCell {
  /** Of its last rung. */
  readonly score: CheckpointScore;
  readonly adapter: string;
}

/** Cells left for members to choose from. */
const FINALISTS = 2;
/** Fewest steps of a cell; fewer hardly change an adapter. */
const LEAST_STEPS = 20;

/** Of a sweep: the options of each cell's training, whose a1, a2 and lr are the cell's. `out` is not used. */
export type SweepOptions = Omit<TrainOptions, 'out' | 'resume' | 'keep' | 'trace' | 'checkpointEvery'> & {
  readonly axes: SweepAxes;
  /** For the cells' adapters and what is done. */
  readonly folder: string;
};

/** The cells by learning rate, then a1, then a2: in the order of a sheet. */
export const sweepCells = ({ a1, a2, lr }: SweepAxes): SweepCell[] =>
  lr.flatMap((rate) => a1.flatMap((rows) => a2.map((columns) => ({ a1: rows, a2: columns, lr: rate }))));

/** `4×8, lr 0.001`. */
const cellName = ({ a1, a2, lr }: SweepCell): string => `${a1}×${a2}, lr ${lr}`;

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
 * Trains the grid, or goes on with it.
 *
 * @param onResult after each cell of a rung, with the rung from 0
 * @returns the finalists, best first
 * @throws KronaError FACTORS_UNFIT naming every cell that doesn't fit the model, before anything is trained; as trainAdapter
 */
export async function runSweep(
  { axes, folder, ...options }: SweepOptions,
  hooks: TrainHooks = {},
  onResult: (result: SweepResult, rung: number) => void = () => {},
): Promise<SweepResult[]> {
  const cells = sweepCells(axes);
  await checkCells(cells, options);
  await makeFolder(folder);
  const done = await Done.open(join(folder, 'sweep.json'));
  const shared: SharedWork = {};
  let left: readonly SweepCell[] = cells;
  let results: SweepResult[] = [];
  for (const [n, rung] of rungsOf(cells.length, options.steps).entries()) {
    left = left.slice(0, rung.cells);
    results = [];
    for (const cell of left) {
      const adapter = join(folder, `a1-${cell.a1}-a2-${cell.a2}-lr-${cell.lr}.safetensors`);
      const score =
        done.score(cell, rung) ??
        (await done.add(
          cell,
          rung,
          await trainCell({ ...options, ...cell, steps: rung.steps, out: adapter }, hooks, shared),
        ));
      const result = { ...cell, score, adapter };
      results.push(result);
      onResult(result, n);
    }
    // Equal scores keep the order of the grid.
    results.sort((a, b) => b.score.score - a.score.score);
    left = results.map(({ a1, a2, lr }) => ({ a1, a2, lr }));
  }
  return results;
}

/** Trains a cell up to a rung, from where it stopped. @returns the score of its last step */
async function trainCell(
  options: Omit<TrainOptions, 'resume' | 'trace' | 'checkpointEvery'>,
  hooks: TrainHooks,
  shared: SharedWork,
): Promise<CheckpointScore> {
  const { scores } = await trainAdapter(
    { ...options, checkpointEvery: null, trace: null, resume: true, scored: true, keepState: true },
    { ...hooks, shared },
  );
  return at(scores, -1);
}

/** @throws KronaError FACTORS_UNFIT */
async function checkCells(
  cells: readonly SweepCell[],
  options: Omit<TrainOptions, 'out' | 'resume' | 'trace' | 'checkpointEvery'>,
) {
  const model = await openModel(options.model);
  const problems = new Map<string, string[]>();
  for (const cell of cells)
    try {
      ADAPTER_METHODS[options.method].shapes(model, { ...options, ...cell });
    } catch (error) {
      if (!(error instanceof KronaError && error.code === 'FACTORS_UNFIT')) throw error;
      problems.set(error.message, [...(problems.get(error.message) ?? []), cellName(cell)]);
    }
  if (problems.size === 0) return;
  const told = [...problems].map(([message, names]) => `${names.join('; ')}: ${message}`);
  throw new KronaError('FACTORS_UNFIT', told.join(' '));
}

/** Scores that are known, by cell and steps. */
class Done {
  readonly #path: string;
  readonly #scores: Map<string, CheckpointScore>;

  private constructor(path: string, scores: Map<string, CheckpointScore>) {
    this.#path = path;
    this.#scores = scores;
  }

  static async open(path: string): Promise<Done> {
    const text = await readFile(path, 'utf8').catch(() => '[]');
    // Written whole by `add`, so it is not damaged by a crash.
    return new Done(path, new Map(JSON.parse(text) as [string, CheckpointScore][]));
  }

  score(cell: SweepCell, { steps }: Rung): CheckpointScore | undefined {
    return this.#scores.get(`${cellName(cell)}, ${steps} steps`);
  }

  async add(cell: SweepCell, { steps }: Rung, score: CheckpointScore): Promise<CheckpointScore> {
    this.#scores.set(`${cellName(cell)}, ${steps} steps`, score);
    await writeWhole(this.#path, JSON.stringify([...this.#scores]));
    return score;
  }
}
