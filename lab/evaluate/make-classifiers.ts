/**
 * @file Makes the two classifiers that judge pictures, and measures them on held-out drawings. Drawings that the
 * comparison's subjects are made of are excluded, so that features don't know the subjects.
 */
import { at } from '../../core/at.ts';
import { dirname, join } from 'node:path';
import { makeFolder, writeWhole } from '../../core/files.ts';
import { artSets, type ArtSet } from '../pretrain/concepts.ts';
import type { StageSettings } from '../pretrain/config-schema.ts';
import { artVersion, openSet, renderSprite } from '../pretrain/sprites.ts';
import type { StageOptions } from '../pretrain/stage.ts';
import {
  Classifier,
  CLASSIFIER_SIDE,
  ranked,
  saveClassifier,
  type Accuracies,
  type ClassifierConfig,
} from './classifier.ts';
import { classifierLicences } from './classifier-licences.ts';
import { claimFolder } from './files.ts';
import { judgeSprite, namedEmoji, openJudgeArt, plainName } from './judge-art.ts';
import { readSubjects } from './subjects.ts';
import {
  keptForMeasuring,
  sampleDrawing,
  trainClassifier,
  type ClassifierTraining,
  type LabelledDrawing,
} from './train-classifier.ts';

export const CLASSIFIER_KINDS = ['concepts', 'styles'] as const;
export type ClassifierKind = (typeof CLASSIFIER_KINDS)[number];

/** A classifier's drawings. `kept` ones are only measured, grouped by kind. */
interface Lesson {
  readonly config: ClassifierConfig;
  readonly learnt: readonly LabelledDrawing[];
  readonly kept: Readonly<Record<string, readonly LabelledDrawing[]>>;
  readonly recolour: number;
  readonly settings: StageSettings;
  readonly sources: readonly string[];
}

const SETTINGS: Readonly<Record<ClassifierKind, StageSettings>> = {
  concepts: { batch: 32, steps: 12_000, lr: 3e-3, warmup: 100, averageDecay: 0.995 },
  styles: { batch: 64, steps: 2_400, lr: 2e-3, warmup: 50, averageDecay: 0.99 },
};

export interface MakeOptions extends Pick<StageOptions, 'onProgress' | 'signal' | 'threads'> {
  /** Folder of the training, to resume from. */
  readonly run: string;
  /** The classifier file to write; LICENSES.md is written beside it. */
  readonly out: string;
  /** Steps; the kind's default unless given. */
  readonly steps?: number;
}

/**
 * Trains, measures and writes a classifier.
 * @returns the accuracies @throws KronaError PRETRAIN_ART_MISSING, EVALUATION_MISMATCH, DISK_FULL, FILE_UNWRITABLE; and
 * the signal's reason
 */
export async function makeClassifier(kind: ClassifierKind, options: MakeOptions): Promise<Accuracies> {
  const { run, out, steps, ...hooks } = options;
  const folder = join(run, kind);
  await makeFolder(folder);
  const lesson = await (kind === 'concepts' ? conceptLesson() : styleLesson());
  const settings = { ...lesson.settings, ...(steps === undefined ? {} : { steps }) };
  const training: ClassifierTraining = {
    name: kind,
    config: lesson.config,
    drawings: lesson.learnt,
    settings,
    seed: 1,
    recolour: lesson.recolour,
  };
  // Also checks, before training, that the folder is writable.
  await writeWhole(join(dirname(out), 'LICENSES.md'), await classifierLicences());
  // Only steps can differ, so that a training can be extended.
  const { steps: _, ...decisive } = settings;
  await claimFolder(
    join(folder, 'run.json'),
    { classifier: kind, drawings: lesson.learnt.length, sources: lesson.sources, ...decisive },
    '--run',
  );
  const parameters = await trainClassifier(training, { folder, ...hooks });
  await saveClassifier(out, lesson.config, parameters, { accuracies: {}, sources: lesson.sources });
  const classifier = await Classifier.open(out);
  try {
    const accuracies = await measure(classifier, lesson);
    await saveClassifier(out, lesson.config, parameters, { accuracies, sources: lesson.sources });
    return accuracies;
  } finally {
    await classifier.release();
  }
}

/** Concepts with two or more drawings in the judge sets; of three or more, one can be held out. */
async function conceptLesson(): Promise<Lesson> {
  const art = await openJudgeArt();
  const { subjects } = await readSubjects();
  const used = new Set(
    subjects.flatMap(({ parts }) => parts.map(({ set, label }) => `${set} ${plainName(label)}`)),
  );
  const hidden = new Set(
    subjects.filter(({ parts }) => parts.length === 1).map(({ parts }) => plainName(at(parts, 0).label)),
  );
  const chosen = (await namedEmoji())
    .filter(({ label }) => !hidden.has(plainName(label)))
    .map((emoji) => ({
      ...emoji,
      sets: art.setsWith(emoji.label).filter((set) => !used.has(`${set} ${plainName(emoji.label)}`)),
    }))
    .filter(({ sets }) => sets.length >= 2);
  const learnt: LabelledDrawing[] = [];
  const kept: LabelledDrawing[] = [];
  for (const [label, { hex, label: name, sets }] of chosen.entries()) {
    const measured = keptForMeasuring(hex) && sets.length >= 3 ? sets.at(-1) : undefined;
    for (const set of sets)
      (set === measured ? kept : learnt).push({ sprite: await judgeSprite(art, set, name), label });
  }
  const config = { widths: [24, 48, 96, 160] as const, classes: chosen.map(({ hex }) => hex) };
  const others: Record<string, LabelledDrawing[]> = {};
  for (const set of artSets) {
    const lookup = await openSet(set);
    others[set] = [];
    for (const [label, { hex }] of chosen.entries()) {
      const source = keptForMeasuring(hex) ? await lookup(hex) : undefined;
      if (source) others[set].push({ sprite: await renderSprite(source), label });
    }
  }
  return {
    config,
    learnt,
    kept: { 'judge sets': kept, ...others },
    recolour: 0.25,
    settings: SETTINGS.concepts,
    sources: art.versions,
  };
}

/** The training sets, every third emoji; one in four of these is held out. */
async function styleLesson(): Promise<Lesson> {
  const emoji = (await namedEmoji()).filter((_, index) => index % 3 === 0);
  const learnt: LabelledDrawing[] = [];
  const kept = Object.fromEntries(artSets.map((set) => [set, [] as LabelledDrawing[]])) as Record<
    ArtSet,
    LabelledDrawing[]
  >;
  for (const [label, set] of artSets.entries()) {
    const lookup = await openSet(set);
    for (const { hex } of emoji) {
      const source = await lookup(hex);
      if (source)
        (keptForMeasuring(hex) ? kept[set] : learnt).push({ sprite: await renderSprite(source), label });
    }
  }
  return {
    config: { widths: [16, 32, 64, 96], classes: artSets },
    learnt,
    kept,
    recolour: 0,
    settings: SETTINGS.styles,
    sources: (await Promise.all(artSets.map(artVersion))).map(
      ({ package: name, version }) => `${name} ${version}`,
    ),
  };
}

/** Top-1 and top-5 accuracies on the held-out drawings, augmented as in training. */
async function measure(classifier: Classifier, { kept, config }: Lesson): Promise<Accuracies> {
  const all = config.classes.map((_, index) => index);
  const accuracies: Record<string, number> = {};
  for (const [name, drawings] of Object.entries(kept)) {
    let [first, five] = [0, 0];
    for (const [index, drawing] of drawings.entries()) {
      const picture = new Float32Array(3 * CLASSIFIER_SIDE ** 2);
      sampleDrawing({ drawings: [drawing], seed: 2, recolour: 0 }, index, picture, 0);
      const order = ranked((await classifier.classify(picture)).logits, all);
      if (order[0] === drawing.label) first++;
      if (order.slice(0, 5).includes(drawing.label)) five++;
    }
    accuracies[`${name} top-1`] = first / drawings.length;
    if (all.length > 5) accuracies[`${name} top-5`] = five / drawings.length;
  }
  return accuracies;
}
