/** The whole comparison at its smallest: real trainings and pictures of the embedded model, stopped once in the middle.
 * It takes a minute and more, so it runs every night. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alignmentOf, fidelityOf } from '../../../lab/evaluate/claims.ts';
import { compareMethods } from '../../../lab/evaluate/compare-methods.ts';
import {
  Comparison,
  resultPath,
  type ComparisonFolder,
  type Result,
} from '../../../lab/evaluate/compare-subject.ts';
import { sheetPictures, SHEET_COLUMNS } from '../../../lab/evaluate/comparison-pictures.ts';
import {
  cellKey,
  formsStudy,
  methodsStudy,
  priorsStudy,
  ratesStudy,
  stepsStudy,
  type ComparisonSize,
} from '../../../lab/evaluate/comparison-plan.ts';
import type { ComparisonReport } from '../../../lab/evaluate/comparison-report.ts';
import { readJson } from '../../../lab/evaluate/files.ts';
import { mean } from '../../../lab/evaluate/statistics.ts';
import { readSubjects } from '../../../lab/evaluate/subjects.ts';
import { linkSprites } from '../../helpers/shared-sprites.ts';
import { writeSmallRecipe } from '../../helpers/small-recipe.ts';
import { ALL_VARIATIONS } from '../../helpers/variations.ts';

/** With the rate 1e10 the loss is no number after the first steps, so that cell costs no pictures. */
const SIZE: ComparisonSize = {
  subjects: ['poodle'],
  simple: ['poodle'],
  rates: { krona: [5e-3], lora: [5e-3, 1e10], full: [2e-4] },
  factors: [
    [2, 8],
    [8, 2],
  ],
  ranks: [8],
  priors: [10],
  seeds: [1],
  steps: 4,
  longSteps: [2, 4],
  a1: 2,
  a2: 8,
  rank: 8,
};
const BEST = { krona: 5e-3, lora: 5e-3, full: 2e-4 };
const CELLS = [
  ratesStudy(SIZE),
  methodsStudy(SIZE, BEST),
  formsStudy(SIZE, BEST),
  priorsStudy(SIZE, BEST),
  stepsStudy(SIZE, BEST),
].flat();

describe.runIf(ALL_VARIATIONS)('the comparison of methods', () => {
  let folder: ComparisonFolder;
  const compare = (onProgress: (phase: string, step: number) => void, signal?: AbortSignal) =>
    compareMethods({
      ...folder,
      size: SIZE,
      jobs: 2,
      onProgress: ({ phase, step }) => onProgress(phase, step),
      ...(signal && { signal }),
    });
  /** When each result was written, by its file's name. */
  const written = async (): Promise<Map<string, number>> => {
    const names = await readdir(join(folder.out, 'results'));
    const results = names.filter((name) => name.endsWith('.json'));
    const times = results.map(
      async (name) => [name, (await stat(join(folder.out, 'results', name))).mtimeMs] as const,
    );
    return new Map(await Promise.all(times));
  };
  const resultsOf = (cells: typeof CELLS): Promise<Result[]> =>
    Promise.all(cells.map(async (cell) => (await readJson<Result>(resultPath(folder.out, cell)))!));

  let report: ComparisonReport;
  let before: Map<string, number>;

  beforeAll(async () => {
    const out = await mkdtemp(join(tmpdir(), 'krona-methods-'));
    const subjects = join(out, 'recipe.json');
    folder = { model: 'models/krona-emoji', config: 'lab/pretrain/krona-emoji.json', subjects, out };
    await writeSmallRecipe(subjects);
    await linkSprites(out);
    const stop = new AbortController();
    const stopped = compare((phase, step) => {
      if (phase === 'methods' && step === 1) stop.abort(new Error('enough'));
    }, stop.signal);
    await expect(stopped).rejects.toThrow('enough');
    before = await written();
    report = await compare(() => undefined);
  }, 900_000);

  afterAll(() => rm(folder.out, { recursive: true, force: true }));

  it('resumes where it stopped, and computes no result twice', async () => {
    expect(before.size).toBeGreaterThan(4);
    const after = await written();
    for (const [name, time] of before) expect([name, after.get(name)]).toEqual([name, time]);
    expect(before.size).toBeLessThan(after.size);
    expect(new Set(after.keys())).toEqual(new Set(CELLS.map((cell) => `${cellKey(cell)}.json`)));
    // Adapters are needed for their pictures only.
    expect(await readdir(join(folder.out, 'adapters'))).toEqual([]);

    const phases: string[] = [];
    expect(await compare((phase) => phases.push(phase))).toEqual(report);
    expect(phases).toEqual([]);
    expect(await written()).toEqual(after);
  });

  it('reports the means of its results', async () => {
    expect(await readJson(join(folder.out, 'report.json'))).toEqual(report);
    const own = await resultsOf(methodsStudy(SIZE, BEST).filter(({ method }) => method === 'krona'));
    expect(own).toHaveLength(1);
    const krona = report.methods.find(({ method }) => method === 'krona')!;
    expect(krona.lr).toBe(5e-3);
    expect(krona.fidelity.estimate).toBeCloseTo(fidelityOf(own[0]!), 12);
    expect(krona.alignment.estimate).toBeCloseTo(
      mean([own[0]!.background, own[0]!.partner, own[0]!.style]),
      12,
    );
    const [less] = report.differences;
    const lora = report.methods.find(({ method }) => method === 'lora')!;
    expect(less!.less).toBe('lora');
    expect(less!.drift.estimate).toBeCloseTo(krona.drift.estimate - lora.drift.estimate, 12);
    // Judges see the backgrounds and most partners of real pictures.
    expect(report.real.background.estimate).toBe(1);
    expect(report.real.partner.estimate).toBeGreaterThan(0.3);
    // One subject decides nothing.
    expect(report.claims.map(({ verdict }) => verdict)).toEqual(Array(4).fill('undecided'));
    expect(report.claims[0]!.parts).toHaveLength(7);
  });

  it('shows every setting of its grids, including diverged ones', async () => {
    const { rates, forms, priors, steps } = report.grids;
    expect(rates.map(({ method, lr, diverged }) => [method, lr, diverged])).toEqual([
      ['krona', 5e-3, 0],
      ['lora', 5e-3, 0],
      ['lora', 1e10, 1],
      ['full', 2e-4, 0],
    ]);
    expect(forms.map(({ form, parameters }) => [form, parameters])).toEqual([
      ['2×8', 41_472],
      ['8×2', 41_472],
      ['rank 8', 73_728],
    ]);
    expect(priors.map(({ priorL2 }) => priorL2)).toEqual([0, 10]);
    // A strong prior holds the adapter back, so that less of the model changes.
    expect(priors[1]!.drift.estimate).toBeLessThan(priors[0]!.drift.estimate);
    expect(steps.map((row) => row.steps)).toEqual([2, 4]);
    // What diverged has its parameters all the same, and no score.
    expect(rates[2]).toMatchObject({ parameters: 73_728, score: { estimate: 0 }, drift: { estimate: 1 } });

    const table = await readFile(join(folder.out, 'table.md'), 'utf8');
    expect(table).not.toMatch(/NaN|undefined|null/);
    for (const start of [
      '| model alone |',
      '| real pictures |',
      '| full | all | 0.0002 |  | 4 |',
      '| krona | 8×2 |',
    ])
      expect(table).toContain(start);
    for (const { what, verdict } of report.claims.flatMap(({ parts }) => parts))
      expect(table).toContain(`| ${what} | ${verdict} |`);
    for (const name of ['rates', 'forms', 'steps'])
      expect((await sharp(join(folder.out, `${name}.png`)).metadata()).height).toBe(300);
  });

  it('labels each picture of the sheet with its prompt', async () => {
    const methods = await resultsOf(methodsStudy(SIZE, BEST));
    const pictures = await sheetPictures(folder.out, SIZE, await readSubjects(folder.subjects), methods);
    expect(pictures.map(({ label }) => label).slice(0, 5)).toEqual([
      'photo: poodle',
      'model: a sks dog on a pink background',
      'model: a sks dog next to a mushroom on a lime background',
      'model: a 3d sks dog on a brown background',
      'krona: a sks dog on a pink background',
    ]);
    expect(pictures).toHaveLength(SHEET_COLUMNS);
    const { width } = await sharp(join(folder.out, 'sheet.png')).metadata();
    expect(width).toBeGreaterThan(SHEET_COLUMNS * 128);
  });

  it('keeps the stages that a training reached before it diverged', async () => {
    const cell = { ...ratesStudy(SIZE)[0]!, lr: 1e5 };
    const comparison = await Comparison.open(folder);
    try {
      await comparison.run({ ...cell, steps: [1, 4] });
    } finally {
      await comparison.release();
    }
    const [reached, later] = await resultsOf([
      { ...cell, steps: 1 },
      { ...cell, steps: 4 },
    ]);
    expect(reached).toMatchObject({ diverged: false, parameters: 41_472 });
    expect(reached!.loss).toBeGreaterThan(0);
    expect(later).toMatchObject({ diverged: true, parameters: 41_472, loss: null });
    expect(alignmentOf(later!)).toBe(0);
    expect(await readdir(join(folder.out, 'adapters'))).toEqual([]);
  }, 900_000);
});
