/**
 * @file Scores of a subject's pictures: per kind of prompt, the share of requests fulfilled; likeness to the subject;
 * drift from the model's own pictures. Real pictures of the same prompts are judged too.
 */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { similarity } from '../../gpu-worker/models/feature-scale.ts';
import { compositePicture } from '../pretrain/composite.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { hashName } from '../pretrain/held-out.ts';
import { ExampleRandom } from '../pretrain/example-random.ts';
import { placeSprites } from '../pretrain/layouts.ts';
import type { TrainingArt } from '../pretrain/sampler.ts';
import type { FeatureExtractor, FeatureScales } from './features.ts';
import { openJudgeArt } from './judge-art.ts';
import type { Judges } from './judges.ts';
import { mean } from './statistics.ts';
import {
  backgroundOf,
  drawSubject,
  subjectSprite,
  type Subject,
  type SubjectPrompt,
  type SubjectRecipe,
} from './subjects.ts';

/** Kinds of request; each counts a third of alignment, however many prompts it has. */
export const KINDS = ['background', 'partner', 'style'] as const;
export type Kind = (typeof KINDS)[number];

/** Scores of an adapter's pictures, or of the model alone; per kind, the share of prompts fulfilled. */
export interface Scores extends Readonly<Record<Kind, number>> {
  /**
   * Per extractor: mean similarity to the subject's photos on the requested background, over the background prompts.
   */
  readonly fidelity: Readonly<Record<string, number>>;
  /** Per extractor: one minus mean similarity to the model's own pictures of prompts without the subject. */
  readonly drift: Readonly<Record<string, number>>;
}

/** The same shares for real pictures; styles have none, because a subject exists in one style only. */
export type RealShares = Readonly<Record<Exclude<Kind, 'style'>, number>>;

/** A request, and whether the picture fulfils it. */
type Answers = Readonly<Partial<Record<Kind, boolean>>>;

export class Scorer {
  readonly #data: PretrainData;
  readonly #recipe: SubjectRecipe;
  readonly #judges: Judges;
  readonly #extractors: readonly FeatureExtractor[];
  readonly #references = new Map<string, Promise<Float32Array[]>>();

  constructor(
    recipe: SubjectRecipe,
    judges: Judges,
    /** Of fidelity and drift. */
    extractors: readonly FeatureExtractor[],
  ) {
    this.#data = judges.data;
    this.#recipe = recipe;
    this.#judges = judges;
    this.#extractors = extractors;
  }

  /**
   * @param pictures of the prompts with the subject, then of those without, in the recipe's order
   * @param base the model's own pictures, which have no drift; null for these themselves
   */
  async score(
    subject: Subject,
    pictures: readonly Float32Array[],
    base: readonly Float32Array[] | null,
    scales: FeatureScales,
  ): Promise<Scores> {
    const { prompts } = this.#recipe;
    const answers = await Promise.all(prompts.map((prompt, i) => this.#answers(prompt, at(pictures, i))));
    const byExtractor = async (score: (extractor: FeatureExtractor) => Promise<number>) =>
      Object.fromEntries(
        await Promise.all(this.#extractors.map(async (each) => [each.name, await score(each)] as const)),
      );
    return {
      background: shareOf(answers, 'background'),
      partner: shareOf(answers, 'partner'),
      style: shareOf(answers, 'style'),
      fidelity: await byExtractor((extractor) => this.#fidelity(extractor, scales, subject, pictures)),
      drift: await byExtractor(async (extractor) =>
        base === null ? 0 : 1 - (await this.#kept(extractor, scales, pictures, base)),
      ),
    };
  }

  /** The worst possible scores. */
  worst(): Scores {
    const each = (value: number) => Object.fromEntries(this.#extractors.map(({ name }) => [name, value]));
    return { background: 0, partner: 0, style: 0, fidelity: each(0), drift: each(1) };
  }

  /**
   * The judges' results on real pictures of the prompts: the subject alone, or at a pair's positions with the partner's
   * training drawings, one picture for each of their styles.
   */
  async real(subject: Subject, art: TrainingArt): Promise<RealShares> {
    const { size, concepts, styles } = this.#data;
    const sprite = await spriteOf(subject);
    const concept = this.#conceptNamed(subject.class);
    const answers: Answers[] = [];
    for (const [index, { style: asked, ...prompt }] of this.#recipe.prompts.entries()) {
      if (asked !== undefined) continue;
      const other = prompt.partner === undefined ? concept : this.#conceptNamed(prompt.partner);
      const layout =
        prompt.partner === undefined
          ? ({ kind: 'single' } as const)
          : ({ kind: 'pair', relation: 'next to', other: at(concepts, other) } as const);
      for (const style of styles.keys()) {
        const random = new ExampleRandom(hashName(`real ${subject.name}`), index * styles.length + style);
        const placed = placeSprites(art, { concept, style, layout, other }, sprite, random);
        const picture = compositePicture(size, backgroundOf(this.#data, prompt.background), placed);
        answers.push(await this.#answers(prompt, picture));
      }
    }
    return { background: shareOf(answers, 'background'), partner: shareOf(answers, 'partner') };
  }

  async #answers(
    { background, partner, style }: Omit<SubjectPrompt, 'kind'>,
    picture: Float32Array,
  ): Promise<Answers> {
    const [{ backgrounds, styles }, judges] = [this.#data, this.#judges];
    return {
      background: at(backgrounds, judges.background(picture)).name === background,
      ...(partner !== undefined && {
        partner: await judges.showsBeside(picture, this.#conceptNamed(partner)),
      }),
      ...(style !== undefined && { style: at(styles, await judges.style(picture)).word === style }),
    };
  }

  #conceptNamed(word: string): number {
    const index = this.#data.concepts.findIndex((concept) => concept.word === word);
    if (index < 0) throw new KronaError('PRETRAIN_CONFIG', `The configuration has no concept “${word}”.`);
    return index;
  }

  /** Mean over pictures of a background and the subject's poses on that background (all pairs, like the paper's CLIP-I). */
  async #fidelity(
    extractor: FeatureExtractor,
    scales: FeatureScales,
    subject: Subject,
    pictures: readonly Float32Array[],
  ): Promise<number> {
    const found: number[] = [];
    for (const [index, { kind, background }] of this.#recipe.prompts.entries()) {
      if (kind !== 'background') continue;
      found.push(await this.#likeness(extractor, scales, subject, background, at(pictures, index)));
    }
    return mean(found);
  }

  /** Mean similarity of a picture to the subject's poses on a background. */
  async #likeness(
    extractor: FeatureExtractor,
    scales: FeatureScales,
    subject: Subject,
    background: string,
    picture: Float32Array,
  ): Promise<number> {
    const drawn = await extractor.features(picture, this.#data.size);
    const poses = await this.#poses(extractor, subject, background);
    return mean(poses.map((real) => similarity(drawn, real, scales[extractor.name]!)));
  }

  /** The subject whose poses on the requested background the picture resembles most. */
  async nearest(
    subjects: readonly Subject[],
    background: string,
    picture: Float32Array,
    scales: FeatureScales,
  ): Promise<Subject> {
    const scores = await Promise.all(
      subjects.map(async (subject) =>
        mean(
          await Promise.all(
            this.#extractors.map((each) => this.#likeness(each, scales, subject, background, picture)),
          ),
        ),
      ),
    );
    return at(subjects, scores.indexOf(Math.max(...scores)));
  }

  /** Mean similarity of two sets of pictures of the prompts without the subject. */
  async #kept(
    extractor: FeatureExtractor,
    scales: FeatureScales,
    pictures: readonly Float32Array[],
    base: readonly Float32Array[],
  ): Promise<number> {
    const { prompts, drift } = this.#recipe;
    const found: number[] = [];
    for (let index = prompts.length; index < prompts.length + drift.length; index++) {
      const changed = await extractor.features(at(pictures, index), this.#data.size);
      const first = await extractor.features(at(base, index), this.#data.size);
      found.push(similarity(changed, first, scales[extractor.name]!));
    }
    return mean(found);
  }

  /** Features of the subject's poses on a background. */
  #poses(extractor: FeatureExtractor, subject: Subject, background: string): Promise<Float32Array[]> {
    const key = `${extractor.name} ${subject.name} ${background}`;
    const known = this.#references.get(key);
    if (known) return known;
    const made = (async () => {
      const sprite = await spriteOf(subject);
      return Promise.all(
        this.#recipe.photos.map((pose) =>
          extractor.features(drawSubject(this.#data, sprite, background, pose), this.#data.size),
        ),
      );
    })();
    this.#references.set(key, made);
    return made;
  }
}

export const spriteOf = async (subject: Subject) => subjectSprite(await openJudgeArt(), subject);

/** Over the pictures that request it. */
const shareOf = (answers: readonly Answers[], kind: Kind): number =>
  mean(answers.flatMap((each) => each[kind] ?? []).map(Number));
