/**
 * @file One training of the comparison: the adapter, its pictures of every prompt, and their scores, written as one result
 * for each number of steps that is asked for.
 */
import { rm, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../storage/files.ts';
import { trainingPrompt } from '../../storage/prompt.ts';
import { KronaError } from '../../storage/errors.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';
import { modelCard } from '../adapters/model-card.ts';
import { readPretrainData, type PretrainData } from '../pretrain/concepts.ts';
import { drawJudged } from '../pretrain/evaluate-model.ts';
import { openMobileNet, type MobileNet } from '../safety/mobilenet.ts';
import { TextToImage } from '../sampling/text-to-image.ts';
import { trainAdapter, checkpointPath } from '../training/train.ts';
import { trainRecipe, type TrainOptions } from '../training/train-options.ts';
import { cellKey, cellsOf, type Cell, type Training } from './comparison-plan.ts';
import {
  classifierFeatures,
  mobileNetFeatures,
  similarity,
  type FeatureExtractor,
  type FeatureScales,
} from './features.ts';
import { readJson, readStrip, writeJson, writeStrip } from './files.ts';
import { openJudgeArt } from './judge-art.ts';
import { Judges } from './judges.ts';
import { mean } from './statistics.ts';
import {
  drawSubject,
  readSubjects,
  subjectPhotos,
  subjectSprite,
  type Subject,
  type SubjectPrompt,
  type SubjectRecipe,
} from './subjects.ts';

/** Scores of the pictures of one adapter, or of the model alone. */
export interface Scores {
  /** By extractor: mean similarity to the subject's photos on the asked background, over the prompts of backgrounds. */
  readonly fidelity: Readonly<Record<string, number>>;
  /** Shares of what prompts ask for that is there: of each kind, and over all of them. */
  readonly background: number;
  readonly partner: number;
  readonly style: number;
  readonly alignment: number;
  /** By extractor: one less mean similarity to the model's own pictures of prompts without the subject. */
  readonly drift: Readonly<Record<string, number>>;
}

export interface Result extends Cell, Scores {
  /** Trained numbers. */
  readonly parameters: number;
  readonly secondsPerStep: number;
  /** Mean of the last 20 losses. */
  readonly loss: number;
  /** The training's loss was no number any more: nothing is drawn, and all scores are as bad as can be. */
  readonly diverged: boolean;
}

export interface ComparisonFolder {
  readonly model: string;
  readonly config: string;
  /** Photos, results and pictures. */
  readonly out: string;
}

export const resultPath = (out: string, cell: Cell): string => join(out, 'results', `${cellKey(cell)}.json`);
export const stripPath = (out: string, cell: Cell): string => join(out, 'results', `${cellKey(cell)}.png`);
/** The subject's own name as a file's. */
const fileName = (subject: string): string => subject.replaceAll(' ', '-');
export const baseStripPath = (out: string, subject: string): string =>
  join(out, 'base', `${fileName(subject)}.png`);
export const baseScoresPath = (out: string, subject: string): string =>
  join(out, 'base', `${fileName(subject)}.json`);

/** Seeds of the pictures: the same for every method, so that what differs is the adapter. */
const pictureSeed = (seed: number, prompt: number): number => 1000 * (seed + 1) + prompt;
const DRIFT_SEED = 500;

/** Everything that trainings share: opened once a process. */
export class Comparison {
  readonly data: PretrainData;
  readonly recipe: SubjectRecipe;
  readonly extractors: readonly FeatureExtractor[];
  readonly painter: TextToImage;
  readonly judges: Judges;
  readonly #folder: ComparisonFolder;
  readonly #mobileNet: MobileNet;
  readonly #references = new Map<string, Promise<Float32Array[]>>();

  private constructor(
    folder: ComparisonFolder,
    data: PretrainData,
    recipe: SubjectRecipe,
    opened: { painter: TextToImage; judges: Judges; mobileNet: MobileNet },
  ) {
    this.#folder = folder;
    this.data = data;
    this.recipe = recipe;
    this.painter = opened.painter;
    this.judges = opened.judges;
    this.#mobileNet = opened.mobileNet;
    this.extractors = [mobileNetFeatures(opened.mobileNet), classifierFeatures(opened.judges.concepts)];
  }

  /** @throws KronaError MODEL_*, PRETRAIN_CONFIG, CLASSIFIER_INVALID, SAFETY_MODEL_MISSING */
  static async open(folder: ComparisonFolder): Promise<Comparison> {
    const data = await readPretrainData(folder.config);
    return new Comparison(folder, data, await readSubjects(), {
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

  /** Writes photos and what the model alone makes of a subject's prompts, unless that is there. */
  async prepare(name: string): Promise<void> {
    const { out } = this.#folder;
    if (await readJson(baseScoresPath(out, name))) return;
    const subject = this.#subject(name);
    const photos = await subjectPhotos(this.data, this.recipe, await this.#sprite(subject));
    for (const [index, photo] of photos.entries()) await writeWhole(this.#photoPath(name, index), photo);
    const pictures = await this.#draw(subject, null, 0);
    await writeStrip(baseStripPath(out, name), pictures, this.data.size);
    await writeJson(baseScoresPath(out, name), await this.#score(subject, pictures, null));
  }

  /** Trains and judges; cells whose results are there are not drawn again. */
  async run(training: Training, signal?: AbortSignal): Promise<void> {
    const { out } = this.#folder;
    const wanted: Cell[] = [];
    for (const cell of cellsOf(training)) if (!(await readJson(resultPath(out, cell)))) wanted.push(cell);
    if (wanted.length === 0) return;
    const subject = this.#subject(training.subject);
    const base = await readStrip(baseStripPath(out, training.subject));
    if (!base) throw new RangeError(`prepare ${training.subject} first`);

    const last = wanted.at(-1)!.steps;
    const adapter = join(out, 'adapters', `${cellKey({ ...training, steps: last })}.safetensors`);
    await mkdir(join(out, 'adapters'), { recursive: true });
    const options = this.#trainOptions(training, subject, last, adapter);
    const paths = wanted.map(({ steps }) => (steps === last ? adapter : checkpointPath(adapter, steps)));
    try {
      const trained = await trainAdapter(options, signal ? { signal } : {});
      for (const [index, cell] of wanted.entries()) {
        const learnt = await this.painter.readAdapter(paths[index]!);
        const pictures = await this.#draw(subject, learnt, training.seed);
        await writeStrip(stripPath(out, cell), pictures, this.data.size);
        await writeJson(resultPath(out, cell), {
          ...cell,
          ...(await this.#score(subject, pictures, base)),
          parameters: trained.parameters,
          secondsPerStep: trained.secondsPerStep,
          loss: mean(trained.loss.slice(Math.max(0, cell.steps - 20), cell.steps)),
          diverged: false,
        } satisfies Result);
      }
    } catch (error) {
      if (!(error instanceof KronaError && error.code === 'TRAINING_DIVERGED')) throw error;
      for (const cell of wanted) await writeJson(resultPath(out, cell), this.#divergedResult(cell));
    } finally {
      for (let steps = 0; steps < last; steps += options.checkpointEvery ?? last)
        await rm(checkpointPath(adapter, steps), { force: true });
      await rm(adapter, { force: true });
    }
  }

  #divergedResult(cell: Cell): Result {
    const each = (value: number) => Object.fromEntries(this.extractors.map(({ name }) => [name, value]));
    const none = { background: 0, partner: 0, style: 0, alignment: 0, parameters: 0, secondsPerStep: 0 };
    return { ...cell, ...none, fidelity: each(0), drift: each(1), loss: 0, diverged: true };
  }

  #subject(name: string): Subject {
    const found = this.recipe.subjects.find((subject) => subject.name === name);
    if (!found) throw new KronaError('SUBJECT_UNKNOWN', `subjects.json has no subject “${name}”.`);
    return found;
  }

  async #sprite(subject: Subject) {
    return subjectSprite(await openJudgeArt(), subject);
  }

  #photoPath(name: string, index: number): string {
    return join(this.#folder.out, 'photos', fileName(name), `${index + 1}.png`);
  }

  #trainOptions(training: Training, subject: Subject, steps: number, out: string): TrainOptions {
    const { method, a1, a2, rank, lr, seed } = training;
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
      steps,
      seed,
      checkpointEvery: between < steps ? between : null,
      resume: false,
      trace: null,
      out,
    };
  }

  /** Pictures of the subject's prompts, then of those without it. */
  async #draw(subject: Subject, adapter: AppliedAdapter | null, seed: number): Promise<Float32Array[]> {
    const named = `${this.recipe.token} ${subject.class}`;
    const asked = [
      ...this.recipe.prompts.map(({ text }, i) => ({
        prompt: text.replace('{subject}', named),
        seed: pictureSeed(seed, i),
      })),
      ...this.recipe.drift.map(({ text }, i) => ({
        prompt: text.replace('{class}', subject.class),
        seed: DRIFT_SEED + i,
      })),
    ];
    const pictures: Float32Array[] = [];
    for (const each of asked) {
      pictures.push(...(await drawJudged(this.painter, this.data.size, { ...each, adapter })));
    }
    return pictures;
  }

  /** @param base the model's own pictures, which have no drift; null for these themselves */
  async #score(
    subject: Subject,
    pictures: readonly Float32Array[],
    base: readonly Float32Array[] | null,
  ): Promise<Scores> {
    const { prompts, drift } = this.recipe;
    const scales = await readJson<FeatureScales>(join(this.#folder.out, 'scales.json'));
    const own = pictures.slice(0, prompts.length);
    const answers = await Promise.all(prompts.map((prompt, i) => this.#answers(prompt, own[i]!)));
    const share = (of: readonly boolean[]) => (of.length === 0 ? NaN : mean(of.map(Number)));
    const kind = (name: keyof Answers) => share(answers.flatMap((each) => each[name] ?? []));
    const byExtractor = async (score: (extractor: FeatureExtractor) => Promise<number>) =>
      Object.fromEntries(
        await Promise.all(this.extractors.map(async (each) => [each.name, await score(each)] as const)),
      );
    return {
      background: kind('background'),
      partner: kind('partner'),
      style: kind('style'),
      alignment: share(
        answers.flatMap(({ background, partner, style }) => [background, partner ?? [], style ?? []].flat()),
      ),
      fidelity: await byExtractor((extractor) => this.#fidelity(extractor, scales!, subject, own)),
      drift: await byExtractor(async (extractor) =>
        base === null
          ? 0
          : 1 -
            mean(
              await Promise.all(
                drift.map(async (_, i) => {
                  const [at, { size }] = [prompts.length + i, this.data];
                  const [changed, first] = [
                    await extractor.features(pictures[at]!, size),
                    await extractor.features(base[at]!, size),
                  ];
                  return similarity(changed, first, scales![extractor.name]!);
                }),
              ),
            ),
      ),
    };
  }

  async #answers({ background, partner, style }: SubjectPrompt, picture: Float32Array): Promise<Answers> {
    const { data, judges } = this;
    return {
      background: data.backgrounds[judges.background(picture)]!.name === background,
      ...(partner === undefined
        ? {}
        : { partner: await judges.showsBeside(picture, this.#conceptNamed(partner)) }),
      ...(style === undefined ? {} : { style: data.styles[await judges.style(picture)]!.word === style }),
    };
  }

  #conceptNamed(word: string): number {
    const index = this.data.concepts.findIndex((concept) => concept.word === word);
    if (index < 0) throw new KronaError('PRETRAIN_CONFIG', `The configuration has no concept “${word}”.`);
    return index;
  }

  /** Mean over pictures of a background and the subject's poses on that background (all pairs, as the paper's CLIP-I). */
  async #fidelity(
    extractor: FeatureExtractor,
    scales: FeatureScales,
    subject: Subject,
    pictures: readonly Float32Array[],
  ): Promise<number> {
    const found: number[] = [];
    for (const [index, { kind, background }] of this.recipe.prompts.entries()) {
      if (kind !== 'background') continue;
      const drawn = await extractor.features(pictures[index]!, this.data.size);
      for (const real of await this.#poses(extractor, subject, background))
        found.push(similarity(drawn, real, scales[extractor.name]!));
    }
    return mean(found);
  }

  /** Features of the subject's poses on a background. */
  #poses(extractor: FeatureExtractor, subject: Subject, background: string): Promise<Float32Array[]> {
    const key = `${extractor.name} ${subject.name} ${background}`;
    const known = this.#references.get(key);
    if (known) return known;
    const made = (async () => {
      const sprite = await this.#sprite(subject);
      return Promise.all(
        this.recipe.photos.map((pose) =>
          extractor.features(drawSubject(this.data, sprite, background, pose), this.data.size),
        ),
      );
    })();
    this.#references.set(key, made);
    return made;
  }
}

/** What a picture was asked for and whether it is there. */
interface Answers {
  readonly background: boolean;
  readonly partner?: boolean;
  readonly style?: boolean;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
