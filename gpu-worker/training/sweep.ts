/**
 * @file Trains the grid of core/sweep-plan.ts. Cells go on from their own checkpoints, and share latents of the photos and
 * the model's own pictures. What is done is kept in the folder, so a sweep that was stopped goes on there.
 */
import { join } from 'node:path';
import { at } from '../../core/at.ts';
import { exists, makeFolder } from '../../core/files.ts';
import type { CheckpointScore, Progress } from '../../core/records.ts';
import {
  cellName,
  checkCells,
  checkSchedule,
  rungsOf,
  sweepCells,
  sweepSteps,
  type SweepAxes,
  type SweepCell,
} from '../../core/sweep-plan.ts';
import { ADAPTER_METHODS } from '../adapters/methods.ts';
import { modelIdentity } from '../models/model-identity.ts';
import { openModel } from '../models/open-model.ts';
import { SweepScores } from './sweep-scores.ts';
import type { SharedWork, TrainHooks } from './train-hooks.ts';
import { trainAdapter } from './train.ts';
import type { TrainOptions } from './train-options.ts';

export interface SweepResult extends SweepCell {
  /** Of its last rung. */
  readonly score: CheckpointScore;
  readonly adapter: string;
}

/** Of a sweep: the options of each cell's training, whose a1, a2 and lr are the cell's. `out` is not used. */
export type SweepOptions = Omit<TrainOptions, 'out' | 'resume' | 'keep' | 'trace' | 'checkpointEvery'> & {
  readonly axes: SweepAxes;
  /** For the cells' adapters and what is done. */
  readonly folder: string;
  /** Cells that are not trained any further; the next best of a rung take their places. */
  readonly dropped?: readonly SweepCell[];
};

/** Of all cells together: steps and the seconds left are the sweep's. */
export interface SweepProgress extends Progress {
  readonly cell: SweepCell;
}

export interface SweepHooks extends Pick<TrainHooks, 'turn' | 'signal' | 'onState'> {
  readonly onProgress?: (progress: SweepProgress) => void;
  /** After each cell of a rung, also when an earlier attempt has trained it. */
  readonly onResult?: (result: SweepResult) => void;
}

/** The file of a sweep's folder that says what is done. */
export const DONE_FILE = 'sweep.json';

/** The file of a cell's adapter, of the last rung that it was trained to. */
export const cellFile = (folder: string, { a1, a2, lr }: SweepCell): string =>
  join(folder, `a1-${a1}-a2-${a2}-lr-${lr}.safetensors`);

/**
 * Trains the grid, or goes on with it.
 *
 * @returns the finalists, best first
 * @throws KronaError FACTORS_UNFIT naming every cell that doesn't fit the model, SWEEP_SCHEDULE, both before anything is
 * trained; RESUME_MISMATCH where the folder has cells of another model, RESUME_DAMAGED; as trainAdapter
 */
export async function runSweep(
  { axes, folder, dropped = [], ...options }: SweepOptions,
  hooks: SweepHooks = {},
): Promise<SweepResult[]> {
  const cells = sweepCells(axes);
  checkSchedule(options.lrSchedule);
  const model = await openModel(options.model);
  checkCells(cells, (cell) => void ADAPTER_METHODS[options.method].shapes(model, { ...options, ...cell }));
  await makeFolder(folder);
  const done = await SweepScores.open(join(folder, DONE_FILE), await modelIdentity(model));
  const shared: SharedWork = {};
  const without = new Set(dropped.map(cellName));
  let left = cells.filter((cell) => !without.has(cellName(cell)));
  const rungs = rungsOf(cells.length, options.steps).map((rung) => ({
    ...rung,
    cells: Math.min(rung.cells, left.length),
  }));
  const clock = new Clock(sweepSteps(rungs), hooks.onProgress);
  let results: SweepResult[] = [];
  for (const [n, rung] of rungs.entries()) {
    left = left.slice(0, rung.cells);
    results = [];
    for (const cell of left) {
      const adapter = cellFile(folder, cell);
      const from = rungs[n - 1]?.steps ?? 0;
      // A finalist whose file is lost is trained again, from its state if that is left.
      const isLost = n === rungs.length - 1 && !(await exists(adapter));
      const score =
        (isLost ? undefined : done.score(cell, rung)) ??
        (await done.add(
          cell,
          rung,
          await trainCell(
            { ...options, ...cell, steps: rung.steps, out: adapter },
            { ...hooks, onProgress: (progress) => clock.tell(cell, progress, from) },
            shared,
          ),
        ));
      clock.add(rung.steps - from);
      const result = { ...cell, score, adapter };
      results.push(result);
      hooks.onResult?.(result);
    }
    // Equal scores keep the order of the grid.
    results.sort((a, b) => b.score.score - a.score.score);
    left = results.map(({ a1, a2, lr }) => ({ a1, a2, lr }));
  }
  return results;
}

/** Counts the steps of all cells. */
class Clock {
  readonly #steps: number;
  readonly #tell: ((progress: SweepProgress) => void) | undefined;
  #before = 0;
  /** Of the last step that was taken. */
  #secondsPerStep: number | null = null;

  constructor(steps: number, tell: ((progress: SweepProgress) => void) | undefined) {
    this.#steps = steps;
    this.#tell = tell;
  }

  /** Counts the steps of a cell that is done. */
  add(steps: number): void {
    this.#before += steps;
  }

  /** @param progress of a cell's training @param from its steps in earlier rungs */
  tell(cell: SweepCell, { step, steps, secondsLeft, phase }: Progress, from: number): void {
    if (secondsLeft !== null && step < steps) this.#secondsPerStep = secondsLeft / (steps - step);
    const taken = Math.min(this.#steps, this.#before + Math.max(0, step - from));
    const seconds = this.#secondsPerStep;
    this.#tell?.({
      cell,
      step: taken,
      steps: this.#steps,
      secondsLeft: seconds === null ? null : seconds * (this.#steps - taken),
      phase,
    });
  }
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
