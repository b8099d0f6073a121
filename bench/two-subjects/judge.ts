/**
 * @file Which mascot stands in each half of a picture: the nearest, by features that know neither mascots nor model, of the
 * mascots and of ordinary drawings of their classes, all drawn at that place on the same ground.
 */
import { at } from '../../core/at.ts';
import { similarity } from '../../gpu-worker/models/feature-scale.ts';
import type { FeatureExtractor, FeatureScales } from '../../lab/evaluate/features.ts';
import { backgroundOf } from '../../lab/evaluate/subjects.ts';
import { compositePicture } from '../../lab/pretrain/composite.ts';
import type { PretrainData } from '../../lab/pretrain/concepts.ts';
import { pairMiddles } from '../../lab/pretrain/layouts.ts';
import type { TrainingArt } from '../../lab/pretrain/sampler.ts';
import type { Sprite } from '../../lab/pretrain/sprites.ts';
import type { Mascot } from './mascots.ts';

export type Relation = 'next to' | 'above';
/** Share of the picture that a drawing of a pair fills, and of the square that is judged. */
const [FRAME, PART] = [0.46, 0.5];
/** Turns and places of the drawings that pictures are compared with. */
const POSES = [
  { angle: 0, mirror: false },
  { angle: 0.08, mirror: true },
] as const;

interface Candidate {
  /** null: an ordinary drawing of a class. */
  readonly mascot: string | null;
  readonly sprite: Sprite;
}

export class PairJudge {
  readonly #data: PretrainData;
  readonly #extractors: readonly FeatureExtractor[];
  readonly #scales: FeatureScales;
  readonly #candidates: readonly Candidate[];
  readonly #references = new Map<string, Promise<Float32Array[][][]>>();

  constructor(
    data: PretrainData,
    {
      extractors,
      scales,
    }: { readonly extractors: readonly FeatureExtractor[]; readonly scales: FeatureScales },
    mascots: readonly Mascot[],
    ordinary: readonly Sprite[],
  ) {
    this.#data = data;
    this.#extractors = extractors;
    this.#scales = scales;
    this.#candidates = [
      ...mascots.map(({ name, sprite }) => ({ mascot: name, sprite })),
      ...ordinary.map((sprite) => ({ mascot: null, sprite })),
    ];
  }

  /** The mascots at the two places; null where something else stands. */
  async seen(picture: Float32Array, relation: Relation, background: string): Promise<(string | null)[]> {
    return Promise.all(
      pairMiddles[relation].map(async (middle) => {
        const own = await this.#featuresOf(this.#part(picture, middle));
        const likeness = (pose: readonly Float32Array[]): number =>
          own.reduce((sum, each, n) => sum + similarity(each, at(pose, n), at(this.#scale, n)), 0);
        const references = await this.#drawnOn(background);
        const scores = references.map((poses) => Math.max(...poses.map(likeness)));
        return at(this.#candidates, scores.indexOf(Math.max(...scores))).mascot;
      }),
    );
  }

  get #scale() {
    return this.#extractors.map(({ name }) => {
      const scale = this.#scales[name];
      if (!scale) throw new RangeError(`no scale of ${name}`);
      return scale;
    });
  }

  /** Features of each candidate's poses, by extractor. */
  #drawnOn(background: string): Promise<Float32Array[][][]> {
    const known = this.#references.get(background) ?? this.#drawAll(background);
    this.#references.set(background, known);
    return known;
  }

  async #drawAll(background: string): Promise<Float32Array[][][]> {
    const all: Float32Array[][][] = [];
    for (const { sprite } of this.#candidates) {
      const poses: Float32Array[][] = [];
      for (const pose of POSES) {
        const drawn = this.pair(background, 'next to', [{ sprite, ...pose }]);
        poses.push(await this.#featuresOf(this.#part(drawn, at(pairMiddles['next to'], 0))));
      }
      all.push(poses);
    }
    return all;
  }

  /** A real picture of drawings at the places of a pair. */
  pair(
    background: string,
    relation: Relation,
    drawings: readonly { readonly sprite: Sprite; readonly angle?: number; readonly mirror?: boolean }[],
  ): Float32Array {
    const { size } = this.#data;
    const middles: readonly (readonly [number, number])[] = pairMiddles[relation];
    const placed = drawings.map(({ sprite, angle = 0, mirror = false }, n) => {
      const [x, y] = at(middles, n);
      return { sprite, x: x * size, y: y * size, side: FRAME * size, angle, mirror };
    });
    return compositePicture(size, backgroundOf(this.#data, background), placed);
  }

  #part(picture: Float32Array, [x, y]: readonly [number, number]): Float32Array {
    const { size } = this.#data;
    const side = Math.round(PART * size);
    const from = (share: number) => Math.max(0, Math.min(size - side, Math.round(share * size - side / 2)));
    const [left, top] = [from(x), from(y)];
    const part = new Float32Array(3 * side * side);
    for (let i = 0; i < part.length; i++) {
      const [c, row, column] = [Math.floor(i / side / side), Math.floor(i / side) % side, i % side];
      part[i] = at(picture, (c * size + top + row) * size + left + column);
    }
    return part;
  }

  async #featuresOf(part: Float32Array): Promise<Float32Array[]> {
    const all: Float32Array[] = [];
    for (const extractor of this.#extractors)
      all.push(await extractor.features(part, Math.round(PART * this.#data.size)));
    return all;
  }
}

/** Ordinary drawings of the mascots' classes, in every style that the model knows. */
export function ordinaryDrawings(data: PretrainData, art: TrainingArt, mascots: readonly Mascot[]): Sprite[] {
  return mascots.flatMap(({ class: word }) => {
    const concept = data.concepts.findIndex((each) => each.word === word);
    return at(art.sprites, concept);
  });
}
