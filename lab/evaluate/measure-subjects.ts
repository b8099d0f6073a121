/**
 * @file `krona evaluate subjects`: what training at the defaults, or with other options, makes of the comparison's
 * subjects and of mascots with faces.
 */
import { join } from 'node:path';
import { at } from '../../core/at.ts';
import { makeFolder, writeWhole } from '../../core/files.ts';
import type { Progress } from '../../core/records.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { trainDefaults } from '../../gpu-worker/training/train-options.ts';
import { alignmentOf, driftOf, fidelityOf } from './claims.ts';
import { claimComparison, prepareScales } from './comparison-folder.ts';
import type { Training, Trial } from './comparison-plan.ts';
import { Comparison, resultPath, stripPath, type ComparisonFolder, type Result } from './compare-subject.ts';
import { readJson, readStrip, writeJson } from './files.ts';
import { quizSheet, type QuizAnswer } from './mascot-quiz.ts';
import { phaseProgress } from './phase-progress.ts';
import { groupsOf, mean, meanInterval, type Interval } from './statistics.ts';
import { subjectSheet } from './subject-sheet.ts';

export interface MeasureSubjectsOptions extends ComparisonFolder {
  /** Named options that differ from the defaults; `[null]` measures the defaults alone. */
  readonly trials: readonly (Trial | null)[];
  /** Trainings of each subject differ by seed. */
  readonly seeds: readonly number[];
  /** Subjects and mascots by name; all by default. */
  readonly only?: readonly string[];
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Means over subjects. */
export interface SubjectFigures {
  readonly fidelity: Interval;
  readonly alignment: Interval;
  readonly drift: Interval;
}

export interface TrialFigures {
  /** `defaults`, or the trial's name. */
  readonly name: string;
  readonly parameters: number;
  readonly steps: number;
  /** Of all optimiser steps of one training. */
  readonly seconds: number;
  /** null where none was asked for. */
  readonly subjects: SubjectFigures | null;
  readonly mascots: (SubjectFigures & { readonly recognised: Interval }) | null;
}

export interface SubjectsReport {
  readonly trials: readonly TrialFigures[];
  /** Of quiz.png, by number; empty without at least two mascots. */
  readonly quiz: readonly QuizAnswer[];
}

/** The strip of a training with the mascot that it shows, as the quiz takes them. */
interface Drawn {
  readonly result: Result;
  readonly pictures: readonly Float32Array[];
}

/**
 * Trains, draws and scores; results in the folder are kept. Writes subjects.json, subjects.png, and of the first trial a
 * quiz for people, quiz.png.
 *
 * @throws KronaError MODEL_*, PRETRAIN_*, SUBJECT_UNKNOWN, EVALUATION_MISMATCH, FILE_UNWRITABLE; and the signal's reason
 * when it aborts
 */
export async function measureSubjects(options: MeasureSubjectsOptions): Promise<SubjectsReport> {
  const { out, trials, seeds, signal } = options;
  await makeFolder(out);
  await claimComparison(options);
  await prepareScales(options);
  const comparison = await Comparison.open(options);
  try {
    const { subjects, mascots } = comparison.recipe;
    const names = [...subjects, ...mascots].map(({ name }) => name);
    const asked = options.only?.map((name) => comparison.subject(name).name) ?? names;
    const progress = phaseProgress(
      'training subjects',
      trials.length * asked.length * seeds.length,
      options.onProgress,
    );
    const figures: TrialFigures[] = [];
    const drawn: Drawn[][] = [];
    let done = 0;
    for (const trial of trials) {
      const own: Drawn[] = [];
      for (const subject of asked) {
        await comparison.prepare(subject);
        for (const seed of seeds) {
          signal?.throwIfAborted();
          own.push(await trainOne(comparison, out, trainingOf(comparison, subject, seed, trial)));
          progress(++done, false);
        }
      }
      drawn.push(own);
      figures.push(await figuresOf(comparison, trial, own));
    }
    const first = at(drawn, 0).filter(({ result }) => mascots.some(({ name }) => name === result.subject));
    const shown = groupsOf(first, ({ result }) => result.subject).map((each) => ({
      mascot: at(each, 0).result.subject,
      pictures: each.flatMap(({ pictures }) => pictures.slice(0, comparison.recipe.prompts.length)),
    }));
    const quiz = shown.length > 1 ? await quizSheet(out, comparison.data.size, shown) : null;
    if (quiz) await writeWhole(join(out, 'quiz.png'), quiz.sheet);
    await writeWhole(join(out, 'subjects.png'), await subjectSheet(out, comparison, trials, drawn.flat()));
    const report: SubjectsReport = { trials: figures, quiz: quiz?.answers ?? [] };
    await writeJson(join(out, 'subjects.json'), report);
    return report;
  } finally {
    await comparison.release();
  }
}

/** At the model's defaults, but for the trial's options. */
function trainingOf(comparison: Comparison, subject: string, seed: number, trial: Trial | null): Training {
  const card = modelCard(comparison.painter.model);
  const { method = defaultOf('method'), rank = defaultOf('rank'), ...rest } = trial?.options ?? {};
  const defaults = trainDefaults(card, method);
  const { a1 = defaults.a1, a2 = defaults.a2, lr = defaults.lr, steps = defaults.steps } = rest;
  const { targets, priorL2 } = defaults;
  return {
    ...{ subject, seed, method, rank, a1, a2, lr, steps: [steps] },
    ...(targets && { targets }),
    ...(priorL2 !== undefined && { priorL2 }),
    ...(trial && { trial }),
  };
}

async function trainOne(comparison: Comparison, out: string, training: Training): Promise<Drawn> {
  await comparison.run(training);
  const cell = { ...training, steps: at(training.steps, -1) };
  const result = (await readJson<Result>(resultPath(out, cell)))!;
  // A training that diverged has no pictures.
  return { result, pictures: (await readStrip(stripPath(out, cell))) ?? [] };
}

async function figuresOf(
  comparison: Comparison,
  trial: Trial | null,
  drawn: readonly Drawn[],
): Promise<TrialFigures> {
  const isMascot = ({ result }: Drawn): boolean =>
    comparison.recipe.mascots.some(({ name }) => name === result.subject);
  const [mascots, subjects] = [drawn.filter(isMascot), drawn.filter((each) => !isMascot(each))];
  const first = at(drawn, 0).result;
  const seconds = drawn.flatMap(({ result }) => result.secondsPerStep ?? []);
  return {
    name: trial?.name ?? 'defaults',
    parameters: first.parameters,
    steps: first.steps,
    seconds: mean(seconds) * first.steps,
    subjects: subjects.length > 0 ? scoresOf(subjects) : null,
    mascots:
      mascots.length > 0
        ? { ...scoresOf(mascots), recognised: meanInterval(await recognised(comparison, mascots)) }
        : null,
  };
}

/** Means over subjects, each of its seeds. */
function scoresOf(drawn: readonly Drawn[]): SubjectFigures {
  const units = groupsOf(drawn, ({ result }) => result.subject);
  const over = (score: (one: Result) => number): Interval =>
    meanInterval(units.map((own) => mean(own.map(({ result }) => score(result)))));
  return { fidelity: over(fidelityOf), alignment: over(alignmentOf), drift: over(driftOf) };
}

/** Per mascot: the share of its pictures that resemble it more than the other mascots. */
async function recognised(comparison: Comparison, drawn: readonly Drawn[]): Promise<number[]> {
  const { prompts } = comparison.recipe;
  return Promise.all(
    groupsOf(drawn, ({ result }) => result.subject).map(async (own) => {
      const right = own.flatMap(({ result, pictures }) =>
        prompts.map(async (_, prompt) => {
          const picture = pictures[prompt];
          if (!picture) return 0;
          return (await comparison.nearestMascot(prompt, picture)).name === result.subject ? 1 : 0;
        }),
      );
      return mean(await Promise.all(right));
    }),
  );
}
