/**
 * @file `krona evaluate votes`: whether votes of simulated members with a hidden taste make an adapter better for them.
 * Chooses the settings on some subjects, and measures them on others.
 */
import { existsSync } from 'node:fs';
import { makeFolder } from '../../core/files.ts';
import type { Progress } from '../../core/records.ts';
import { claimComparison, prepareScales } from './comparison-folder.ts';
import { Comparison, type ComparisonFolder } from './compare-subject.ts';
import { mean } from './statistics.ts';
import { gridCells, resultCells, type RefineSettings, type VotesCell, type VotesSize } from './votes-plan.ts';
import { reportVotes, type VotesReport } from './votes-report.ts';
import { isOf, VotesStudy, votesResultPath, type VotesResult } from './votes-study.ts';

export interface CompareVotesOptions extends ComparisonFolder {
  readonly size: VotesSize;
  readonly onProgress?: (progress: Progress) => void;
  /** Called with the plan before anything is computed, and after each phase. */
  readonly onNote?: (note: string) => void;
  readonly signal?: AbortSignal;
}

/** What settings may cost: fidelity lower by this much than the champion's. */
const LEAST_FIDELITY = -0.02;
/** Seconds of a cell and of a subject's preparation on two cores, for the plan. */
const [CELL_SECONDS, SUBJECT_SECONDS] = [75, 200];

/**
 * @returns the report; written to `out` as votes.json, votes.md, votes.png and votes-sheet.png, also after the grid
 * @throws KronaError MODEL_*, PRETRAIN_*, EVALUATION_MISMATCH, FILE_UNWRITABLE; and the signal's reason when it aborts
 */
export async function compareVotes(options: CompareVotesOptions): Promise<VotesReport> {
  const { out, size, signal, onNote } = options;
  await makeFolder(out);
  await claimComparison(options);
  onNote?.(planText(options));
  await prepareScales(options);
  const comparison = await Comparison.open(options);
  try {
    const study = new VotesStudy(comparison, options, size, signal);
    const run = async (phase: string, cells: readonly VotesCell[]): Promise<VotesResult[]> => {
      const results: VotesResult[] = [];
      const began = performance.now();
      for (const [n, cell] of cells.entries()) {
        signal?.throwIfAborted();
        const each = (performance.now() - began) / 1000 / Math.max(1, n);
        const secondsLeft = n > 0 ? each * (cells.length - n) : null;
        options.onProgress?.({ phase, step: n, steps: cells.length, secondsLeft });
        await study.prepare(cell.subject);
        results.push(await study.run(cell));
      }
      return results;
    };
    const grid = await run('settings', gridCells(size));
    const best = bestSettings(size.grid, grid);
    await reportVotes(options, { grid, best, results: [] });
    onNote?.(`Best of the settings: ${JSON.stringify(best)}`);
    const results = await run('votes', resultCells(size, best));
    return await reportVotes(options, { grid, best, results });
  } finally {
    await comparison.release();
  }
}

/** The settings that win most often without losing likeness; without any such, those that lose least. */
export function bestSettings(
  settings: readonly RefineSettings[],
  results: readonly VotesResult[],
): RefineSettings {
  const figures = settings.map((each) => {
    const own = results.filter((result) => isOf(each, result));
    const fidelity = mean(own.map(({ adapter, champion }) => adapter.fidelity - champion.fidelity));
    return { each, wins: mean(own.map(({ wins }) => wins)), fidelity };
  });
  const faithful = figures.filter(({ fidelity }) => fidelity >= LEAST_FIDELITY);
  const [first] =
    faithful.length > 0
      ? faithful.sort((a, b) => b.wins - a.wins)
      : figures.sort((a, b) => b.fidelity - a.fidelity);
  if (first === undefined) throw new RangeError('the grid has no settings');
  return first.each;
}

/** What is left to do, and about how long it takes. */
function planText({ out, size }: CompareVotesOptions): string {
  const grid = gridCells(size);
  const [how] = size.grid;
  const cells = [...grid, ...(how ? resultCells(size, how) : [])];
  const left = cells.filter((cell) => !existsSync(votesResultPath(out, cell))).length;
  const subjects = size.tuning.length + size.subjects.length;
  const hours = (left * CELL_SECONDS + subjects * SUBJECT_SECONDS) / 3600;
  return (
    `${cells.length} adapters of ${subjects} subjects and ${size.tastes.length} tastes, ${left} of them not compared yet: ` +
    `about ${hours.toFixed(1)} hours on two cores.`
  );
}
