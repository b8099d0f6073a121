/**
 * @file One training of the comparison: the adapter, its pictures of every prompt and their scores, as one result per
 * requested number of steps.
 */
import { at } from '../../core/at.ts';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { gcd } from '../../core/gcd.ts';
import { writeWhole } from '../../core/files.ts';
import { trainingPrompt } from '../../core/prompt.ts';
import { adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import type { AppliedAdapter } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { readPretrainData } from '../pretrain/pretrain-config.ts';
import { drawJudged } from '../pretrain/evaluate-model.ts';
import { prepareArt } from '../pretrain/sampler.ts';
import { loadSprites } from '../pretrain/sprites.ts';
import { openMobileNet, type MobileNet } from '../../gpu-worker/safety/mobilenet.ts';
import type { Steer } from '../../gpu-worker/sampling/steering.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { checkpointPath } from '../../gpu-worker/training/checkpoint.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import {
  trainRecipe,
  type TrainOptions,
  type TrainProgress,
} from '../../gpu-worker/training/train-options.ts';
import { cellKey, cellsOf, type Cell, type Training } from './comparison-plan.ts';
import { Scorer, spriteOf, type RealShares, type Scores } from './comparison-scores.ts';
import {
  classifierFeatures,
  mobileNetFeatures,
  type FeatureExtractor,
  type FeatureScales,
} from './features.ts';
import { readJson, readStrip, writeJson, writeStrip } from './files.ts';
import { Judges } from './judges.ts';
import { mean } from './statistics.ts';
import { readSubjects, subjectPhotos, textOf, type Subject, type SubjectRecipe } from './subjects.ts';

/** A subject's file for the model alone. */
export interface BaseScores extends Scores {
  /** The judges' ceiling. */
  readonly real: RealShares;
}

export interface Result extends Cell, Scores {
  /** Number of trained parameters. */
  readonly parameters: number;
  /** null when the training diverged, even after these steps. */
  readonly secondsPerStep: number | null;
  /** Mean of the last 20 losses; null when it diverged. */
  readonly loss: number | null;
  /** The loss became NaN or infinite: nothing is drawn, and all scores are the worst possible. */
  readonly diverged: boolean;
}

export interface ComparisonFolder {
  readonly model: string;
  readonly config: string;
  /** The recipe of subjects; subjects.json by default. */
  readonly subjects?: string;
  /** Photos, results and pictures. */
  readonly out: string;
}

export const resultPath = (out: string, cell: Cell): string => join(out, 'results', `${cellKey(cell)}.json`);
export const stripPath = (out: string, cell: Cell): string => join(out, 'results', `${cellKey(cell)}.png`);
/** The subject's name as a file name. */
const fileName = (subject: string): string => subject.replaceAll(' ', '-');
export const photoPath = (out: string, subject: string, index: number): string =>
  join(out, 'photos', fileName(subject), `${index + 1}.png`);
/** The subject's first photo, [3, size, size] in [-1, 1]. */
export async function firstPhoto(out: string, subject: string): Promise<Float32Array> {
  return at((await readStrip(photoPath(out, subject, 0))) ?? [], 0);
}
export const baseStripPath = (out: string, subject: string): string =>
  join(out, 'base', `${fileName(subject)}.png`);
export const baseScoresPath = (out: string, subject: string): string =>
  join(out, 'base', `${fileName(subject)}.json`);

/** Seeds of the pictures: the same for every method, so that only the adapter differs. */
const pictureSeed = (seed: number, prompt: number): number => 1000 * (seed + 1) + prompt;
const DRIFT_SEED = 500;

/** Everything that trainings share: opened once per process. */
export class Comparison {
  readonly data: PretrainData;
  readonly recipe: SubjectRecipe;
  readonly extractors: readonly FeatureExtractor[];
  readonly painter: TextToImage;
  readonly judges: Judges;
  readonly #folder: ComparisonFolder;
  readonly #mobileNet: MobileNet;
  readonly #scorer: Scorer;

  private constructor(
    folder: ComparisonFolder,
    recipe: SubjectRecipe,
    opened: { painter: TextToImage; judges: Judges; mobileNet: MobileNet },
  ) {
    this.#folder = folder;
    this.data = opened.judges.data;
    this.recipe = recipe;
    this.painter = opened.painter;
    this.judges = opened.judges;
    this.#mobileNet = opened.mobileNet;
    this.extractors = [mobileNetFeatures(opened.mobileNet), classifierFeatures(opened.judges.concepts)];
    this.#scorer = new Scorer(recipe, opened.judges, this.extractors);
  }

  /** @throws KronaError MODEL_*, PRETRAIN_CONFIG, CLASSIFIER_INVALID, SAFETY_MODEL_MISSING */
  static async open(folder: ComparisonFolder): Promise<Comparison> {
    const data = await readPretrainData(folder.config);
    return new Comparison(folder, await readSubjects(folder.subjects), {
      painter: await TextToImage.open(folder.model),
      judges: await Judges.open(data),
      mobileNet: await openMobileNet(),
    });
  }

  async release(): Promise<void> {
    await this.painter.release();
    await this.judges.release();
    await this.#mobileNet.release();
  }

  /** Writes the photos and the model's own pictures of a subject's prompts, unless they exist. */
  async prepare(name: string): Promise<void> {
    const { out } = this.#folder;
    if (await readJson(baseScoresPath(out, name))) return;
    const subject = this.subject(name);
    const photos = await subjectPhotos(this.data, this.recipe, await spriteOf(subject));
    for (const [index, photo] of photos.entries()) await writeWhole(this.#photoPath(name, index), photo);
    const pictures = await this.draw(subject, null, 0);
    await writeStrip(baseStripPath(out, name), pictures, this.data.size);
    const { sprites } = await loadSprites(this.data, join(out, 'sprites'));
    await writeJson(baseScoresPath(out, name), {
      ...(await this.score(subject, pictures, null)),
      real: await this.#scorer.real(subject, prepareArt(this.data, sprites)),
    } satisfies BaseScores);
  }

  /** Trains and judges; cells with existing results are skipped. */
  async run(training: Training): Promise<void> {
    const { out } = this.#folder;
    const wanted: Cell[] = [];
    for (const cell of cellsOf(training)) if (!(await readJson(resultPath(out, cell)))) wanted.push(cell);
    if (wanted.length === 0) return;
    const subject = this.subject(training.subject);
    const base = await readStrip(baseStripPath(out, training.subject));
    if (!base) throw new RangeError(`prepare ${training.subject} first`);

    const last = at(wanted, -1).steps;
    const folder = join(out, 'adapters', cellKey({ ...training, steps: last }));
    await mkdir(folder, { recursive: true });
    const options = this.#trainOptions(training, subject, last, join(folder, 'adapter.safetensors'));
    const shapes = ADAPTER_METHODS[training.method].shapes(this.painter.model, options);
    const parameters = adapterLayout(shapes).length;
    try {
      const { losses, secondsPerStep } = await trainUntilDivergence(options);
      const kept = { parameters, secondsPerStep };
      for (const cell of wanted) {
        const { steps } = cell;
        // Only the loss of the next step shows that a checkpoint's numbers are finite.
        if (secondsPerStep === null && steps >= losses.length) {
          const nothing = { ...this.#scorer.worst(), ...kept, loss: null, diverged: true };
          await writeJson(resultPath(out, cell), { ...cell, ...nothing } satisfies Result);
          continue;
        }
        const path = steps === last ? options.out : checkpointPath(options.out, steps);
        const pictures = await this.draw(subject, await this.painter.readAdapter(path), training.seed);
        await writeStrip(stripPath(out, cell), pictures, this.data.size);
        await writeJson(resultPath(out, cell), {
          ...cell,
          ...(await this.score(subject, pictures, base)),
          ...kept,
          loss: mean(losses.slice(Math.max(0, steps - 20), steps)),
          diverged: false,
        } satisfies Result);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** @param base the model's own pictures; null for these themselves */
  async score(subject: Subject, pictures: readonly Float32Array[], base: readonly Float32Array[] | null) {
    return this.#scorer.score(subject, pictures, base, await this.#scales());
  }

  /** The mascot that the picture resembles most. @param prompt the picture's number in the recipe */
  async nearestMascot(prompt: number, picture: Float32Array): Promise<Subject> {
    const { mascots, prompts } = this.recipe;
    return this.#scorer.nearest(mascots, at(prompts, prompt).background, picture, await this.#scales());
  }

  async #scales(): Promise<FeatureScales> {
    return (await readJson<FeatureScales>(join(this.#folder.out, 'scales.json')))!;
  }

  /** @throws KronaError SUBJECT_UNKNOWN */
  subject(name: string): Subject {
    const found = [...this.recipe.subjects, ...this.recipe.mascots].find((subject) => subject.name === name);
    if (!found) throw new KronaError('SUBJECT_UNKNOWN', `subjects.json has no subject “${name}”.`);
    return found;
  }

  #photoPath(name: string, index: number): string {
    return photoPath(this.#folder.out, name, index);
  }

  #trainOptions(training: Training, subject: Subject, steps: number, out: string): TrainOptions {
    const { method, a1, a2, rank, lr, targets, priorL2, trial, seed } = training;
    const { token } = this.recipe;
    const between = training.steps.filter((each) => each < steps).reduce(gcd, steps);
    return {
      ...trainRecipe(modelCard(this.painter.model)),
      model: this.#folder.model,
      photos: this.recipe.photos.map((_, index) => this.#photoPath(subject.name, index)),
      subjectToken: token,
      subjectClass: subject.class,
      prompt: trainingPrompt({ token, className: subject.class }),
      method,
      a1,
      a2,
      rank,
      lr,
      ...(targets && { targets }),
      ...(priorL2 !== undefined && { priorL2 }),
      steps,
      seed,
      checkpointEvery: between < steps ? between : null,
      resume: false,
      restart: true,
      trace: null,
      out,
      ...trial?.options,
    };
  }

  /**
   * Pictures of the prompts with the subject, then of those without.
   *
   * @param steer draws them more like some pictures and less like others; null by default
   */
  async draw(
    subject: Subject,
    adapter: AppliedAdapter | null,
    seed: number,
    steer: Steer | null = null,
  ): Promise<Float32Array[]> {
    const asked = [
      ...this.recipe.prompts.map((prompt, i) => ({
        prompt: textOf(prompt, this.recipe, subject),
        seed: pictureSeed(seed, i),
      })),
      ...this.recipe.drift.map(({ text }, i) => ({
        prompt: text.replace('{class}', subject.class),
        seed: DRIFT_SEED + i,
      })),
    ];
    const pictures: Float32Array[] = [];
    for (const each of asked) {
      pictures.push(
        ...(await drawJudged(this.painter, this.data.size, { ...each, adapter, ...(steer && { steer }) })),
      );
    }
    return pictures;
  }
}

/** @returns the finite losses; seconds a step are null when the training diverged after these */
async function trainUntilDivergence(options: TrainOptions) {
  const losses: number[] = [];
  const onProgress = ({ phase, loss }: TrainProgress): void => {
    if (phase === 'training') losses.push(loss!);
  };
  try {
    const { secondsPerStep } = await trainAdapter(options, { onProgress });
    return { losses, secondsPerStep };
  } catch (error) {
    if (!(error instanceof KronaError && error.code === 'TRAINING_DIVERGED')) throw error;
    return { losses, secondsPerStep: null };
  }
}
