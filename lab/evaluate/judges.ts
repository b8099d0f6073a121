/**
 * @file Judges of a picture: does it have the requested background, concept, style, both subjects of a pair, position
 * and number? Each also judges real drawings, so that its own error rate is measured the same way.
 */
import { at } from '../../core/at.ts';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KronaError } from '../../core/errors.ts';
import { cutOut, withoutBackground } from '../../core/pictures/cut-out.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { backgroundSeen } from '../pretrain/judge.ts';
import { dominantHue, HUES } from '../pretrain/recolour.ts';
import { corners, pairMiddles } from '../pretrain/layouts.ts';
import { Classifier, CLASSIFIER_SIDE, classifierView, ranked, type Classified } from './classifier.ts';

/** The classifiers that come with the program. */
export const classifierPath = (kind: 'concepts' | 'styles'): string =>
  fileURLToPath(new URL(`./classifiers/${kind}.safetensors`, import.meta.url));

async function openClassifier(kind: 'concepts' | 'styles'): Promise<Classifier> {
  const path = classifierPath(kind);
  if (!existsSync(path))
    throw new KronaError(
      'CLASSIFIER_MISSING',
      `The classifier of ${kind} is missing; train it with \`krona evaluate classifier --kind ${kind} --run data/${kind} --out ${relative(process.cwd(), path)}\`.`,
    );
  return Classifier.open(path);
}

/** A concept of a pair counts as shown when it is among this many likeliest. */
const AMONG = 5;

export class Judges {
  readonly data: PretrainData;
  readonly concepts: Classifier;
  readonly styles: Classifier;
  /** Classifier outputs for the configuration's concepts (−1 for a class that it lacks) and styles. */
  readonly #conceptClass: readonly number[];
  readonly #styleClass: readonly number[];

  private constructor(data: PretrainData, concepts: Classifier, styles: Classifier) {
    this.data = data;
    this.concepts = concepts;
    this.styles = styles;
    this.#conceptClass = data.concepts.map(({ hex }) => concepts.classes.indexOf(hex));
    this.#styleClass = data.styles.map(({ set }) => styles.classes.indexOf(set));
  }

  /** @throws KronaError CLASSIFIER_MISSING, CLASSIFIER_INVALID, SAFETENSORS_* */
  static async open(data: PretrainData): Promise<Judges> {
    const [concepts, styles] = [await openClassifier('concepts'), await openClassifier('styles')];
    return new Judges(data, concepts, styles);
  }

  async release(): Promise<void> {
    await this.concepts.release();
    await this.styles.release();
  }

  /** Whether the concept classifier was trained on other drawings of a concept, so that it can judge it. */
  knows(concept: number): boolean {
    return at(this.#conceptClass, concept) >= 0;
  }

  /** Index of the nearest of the configuration's backgrounds. */
  background(picture: Float32Array): number {
    return backgroundSeen(this.data, picture);
  }

  /** The known concepts of the configuration, likeliest first, in a part of the picture (default: all of it). */
  async conceptsIn(picture: Float32Array, part?: Part): Promise<number[]> {
    return this.knownConcepts(await this.concepts.classify(classifierView(picture, this.data.size, part)));
  }

  /** The same for a picture that the classifier has seen. */
  knownConcepts({ logits }: Pick<Classified, 'logits'>): number[] {
    const known = [...this.#conceptClass.keys()].filter((concept) => this.knows(concept));
    const order = ranked(
      logits,
      known.map((concept) => at(this.#conceptClass, concept)),
    );
    return order.map((index) => this.#conceptClass.indexOf(index));
  }

  /** Index of the likeliest of the configuration's styles. */
  async style(picture: Float32Array): Promise<number> {
    const { logits } = await this.styles.classify(classifierView(picture, this.data.size));
    return this.#styleClass.indexOf(at(ranked(logits, this.#styleClass), 0));
  }

  /** Whether a concept is among the likeliest five at either position of a pair. */
  async showsBeside(
    picture: Float32Array,
    concept: number,
    relation: Relation = 'next to',
  ): Promise<boolean> {
    const parts = await this.#pairParts(picture, relation);
    return parts.some((seen) => seen.slice(0, AMONG).includes(concept));
  }

  /** Whether two concepts are among the likeliest five, each at its own position, in either order. */
  async showsBoth(picture: Float32Array, a: number, b: number, relation: Relation): Promise<boolean> {
    const [first, second] = await this.#pairParts(picture, relation);
    const has = (seen: readonly number[], concept: number) => seen.slice(0, AMONG).includes(concept);
    return (has(first!, a) && has(second!, b)) || (has(first!, b) && has(second!, a));
  }

  /** The named part of the picture that holds the drawing's centre of mass; null on a busy background. */
  place(picture: Float32Array): string | null {
    const cover = this.#cover(picture);
    if (cover === null) return null;
    const { size } = this.data;
    let [mass, x, y] = [0, 0, 0];
    cover.forEach((alpha, at) => {
      mass += alpha;
      x += alpha * (at % size);
      y += alpha * Math.floor(at / size);
    });
    if (mass === 0) return null;
    const distance = ([cx, cy]: readonly [number, number]) =>
      Math.hypot(x / mass / size - cx, y / mass / size - cy);
    return at(
      Object.keys(corners).sort((a, b) => distance(corners[a]!) - distance(corners[b]!)),
      0,
    );
  }

  /** Number of separate drawings on the background, without specks; null on a busy background. */
  count(picture: Float32Array): number | null {
    const cover = this.#cover(picture);
    if (cover === null) return null;
    const { size } = this.data;
    return components(
      Uint8Array.from(cover, (alpha) => (alpha > 127 ? 1 : 0)),
      size,
      SPECK * size * size,
    );
  }

  /** The nearest of HUES to the drawing's dominant colour; null without one, or on a busy background. */
  hue(picture: Float32Array): string | null {
    const { size } = this.data;
    const shown = { width: size, height: size, pixels: toBytes(picture) };
    const cut = cutOut(shown);
    if (cut === null) return null;
    const rgba = withoutBackground(shown, cut);
    // Sprites have premultiplied colour.
    for (let at = 0; at < rgba.length; at++) if (at % 4 < 3) rgba[at] = (rgba[at]! * rgba[at | 3]!) / 255;
    const dominant = dominantHue({ levels: [rgba], extent: [1, 1] });
    if (dominant === null) return null;
    const apart = (degrees: number) =>
      Math.min(Math.abs(degrees - dominant), 360 - Math.abs(degrees - dominant));
    return at(
      [...HUES].sort((a, b) => apart(a.degrees) - apart(b.degrees)),
      0,
    ).name;
  }

  #cover(picture: Float32Array): Uint8Array | null {
    const { size } = this.data;
    return cutOut({ width: size, height: size, pixels: toBytes(picture) })?.alpha ?? null;
  }

  async #pairParts(picture: Float32Array, relation: Relation): Promise<number[][]> {
    return Promise.all(
      pairMiddles[relation].map(([x, y]) => this.conceptsIn(picture, partAround(this.data.size, x, y))),
    );
  }
}

type Relation = keyof typeof pairMiddles;
type Part = NonNullable<Parameters<typeof classifierView>[2]>;

/** Components smaller than this share of the picture don't count as a drawing. */
const SPECK = 0.01;

/** The square of side `part` (default: the classifier's) centred on a point given in shares, shifted to lie inside. */
export function partAround(size: number, x: number, y: number, part: number = CLASSIFIER_SIDE): Part {
  const from = (share: number) => Math.max(0, Math.min(size - part, Math.round(share * size - part / 2)));
  return { left: from(x), top: from(y), part };
}

/** 4-connected components of a square mask of 0 and 1 with at least `least` pixels. */
export function components(mask: Uint8Array, side: number, least: number): number {
  const left = mask.slice();
  let found = 0;
  for (let start = 0; start < left.length; start++) {
    if (left[start] === 0) continue;
    left[start] = 0;
    const waiting = [start];
    let pixels = 0;
    while (waiting.length > 0) {
      const at = waiting.pop()!;
      pixels++;
      const x = at % side;
      const around = [at - side, at + side, ...(x > 0 ? [at - 1] : []), ...(x < side - 1 ? [at + 1] : [])];
      for (const next of around) {
        if (left[next] !== 1) continue;
        left[next] = 0;
        waiting.push(next);
      }
    }
    if (pixels >= least) found++;
  }
  return found;
}
