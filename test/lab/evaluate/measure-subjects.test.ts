/** Two mascots with few prompts, trained for two steps: real trainings and pictures of the embedded model. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedModel } from '../../../core/package.ts';
import { Comparison } from '../../../lab/evaluate/compare-subject.ts';
import { measureScales } from '../../../lab/evaluate/features.ts';
import { writeJson } from '../../../lab/evaluate/files.ts';
import { measureSubjects, type SubjectsReport } from '../../../lab/evaluate/measure-subjects.ts';
import { readTrial } from '../../../lab/evaluate/read-trial.ts';
import { subjectsTable } from '../../../lab/evaluate/subjects-table.ts';
import { drawSubject, subjectSprite } from '../../../lab/evaluate/subjects.ts';
import { openJudgeArt } from '../../../lab/evaluate/judge-art.ts';
import { linkSprites, sharedSprites } from '../../helpers/shared-sprites.ts';
import { writeSmallRecipe } from '../../helpers/small-recipe.ts';
import { ALL_VARIATIONS } from '../../helpers/variations.ts';
import { defaultConfigPath } from '../../../lab/pretrain/pretrain-config.ts';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'krona-subjects-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.runIf(ALL_VARIATIONS)('the measurement of subjects', () => {
  let report: SubjectsReport;
  const out = () => join(folder, 'out');
  const measure = async () =>
    measureSubjects({
      model: embeddedModel,
      config: defaultConfigPath,
      subjects: join(folder, 'recipe.json'),
      out: out(),
      trials: ['two steps=2', 'wide a2=4 steps=2'].map(readTrial),
      seeds: [1],
      only: ['zibb', 'bolt'],
    });

  /** Of features, measured on fewer pictures than the program takes. */
  const writeScales = async () => {
    const comparison = await Comparison.open({ model: embeddedModel, config: defaultConfigPath, out: out() });
    const { extractors, data } = comparison;
    await writeJson(
      join(out(), 'scales.json'),
      await measureScales(extractors, data, await sharedSprites(data), 32),
    );
    await comparison.release();
  };

  beforeAll(async () => {
    await writeSmallRecipe(join(folder, 'recipe.json'));
    await linkSprites(out());
    await writeScales();
    report = await measure();
  }, 600_000);

  it('reports each trial, and keeps what it has computed', async () => {
    expect(
      report.trials.map(({ name, steps, parameters, subjects }) => [name, steps, parameters, subjects]),
    ).toEqual([
      ['two', 2, 360_608, null],
      ['wide', 2, expect.any(Number), null],
    ]);
    expect(report.trials[1]!.parameters).not.toBe(360_608);
    for (const { mascots } of report.trials) {
      expect(mascots!.fidelity.units).toBe(2);
      // Two steps change the model's pictures, and not by much.
      expect(mascots!.drift.estimate).toBeGreaterThan(0);
      expect(mascots!.drift.estimate).toBeLessThan(0.5);
    }
    const before = await readdir(join(out(), 'results'));
    expect(before).toHaveLength(8);
    expect(await measure()).toEqual(report);
    const table = subjectsTable(report);
    expect(table).toContain('| two | 360,608 | 2 |');
    expect(table).not.toMatch(/NaN|undefined|null/);
  });

  it('makes a quiz whose answers fit its pictures', async () => {
    // Three pictures of each of two mascots.
    expect(report.quiz.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(report.quiz.filter(({ letter, mascot }) => letter === 'A' && mascot === 'zibb')).toHaveLength(3);
    expect(report.quiz.filter(({ letter, mascot }) => letter === 'B' && mascot === 'bolt')).toHaveLength(3);
    const { height } = await sharp(await readFile(join(out(), 'quiz.png'))).metadata();
    expect(height).toBeGreaterThan(2 * 128);
    const { width } = await sharp(await readFile(join(out(), 'subjects.png'))).metadata();
    expect(width).toBeGreaterThan(10 * 128);
  });

  it('recognises every mascot in its own pictures', async () => {
    const comparison = await Comparison.open({ model: embeddedModel, config: defaultConfigPath, out: out() });
    try {
      const { recipe, data } = comparison;
      for (const mascot of recipe.mascots) {
        const sprite = await subjectSprite(await openJudgeArt(), mascot);
        const pose = { scale: 0.9, x: 0.45, y: 0.52, angle: 3, mirror: false };
        const picture = drawSubject(data, sprite, recipe.prompts[0]!.background, pose);
        expect((await comparison.nearestMascot(0, picture)).name).toBe(mascot.name);
      }
    } finally {
      await comparison.release();
    }
  });
});

describe('a trial', () => {
  it('has a name, and options as the command line names them', () => {
    expect(readTrial('wider a1=4 a2=16 lr=1e-3 targets=attention,feed-forward')).toEqual({
      name: 'wider',
      options: { a1: 4, a2: 16, lr: 1e-3, targets: ['attention', 'feed-forward'] },
    });
  });

  it.each(['', 'wider', 'a1=4', 'wider b1=4', 'wider a1', 'wider prior=20', 'wider a1=0', '../up a1=4'])(
    'is refused where it is “%s”',
    (text) => expect(() => readTrial(text)).toThrow(/isn't|Invalid|must|a1/),
  );
});
