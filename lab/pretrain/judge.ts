/**
 * @file Judges the model's pictures: is the background the requested colour, is the nearest training drawing the
 * requested concept and style, and how close is it to a mere copy? It uses plain pixel distances, so real drawings,
 * judged the same way, give the ceiling.
 */
import { at } from '../../core/at.ts';
import { judgePrompt } from './captions.ts';
import { compositePicture, type PlacedSprite } from './composite.ts';
import type { PretrainData } from './concepts.ts';
import { hashName, isHeldOut } from './held-out.ts';
import type { TrainingArt } from './sampler.ts';
import type { Sprite } from './sprites.ts';

/** A prompt that names one concept, style and background, given as indices into the configuration's lists. */
export interface JudgePrompt {
  readonly prompt: string;
  readonly concept: number;
  readonly style: number;
  readonly background: number;
}

export interface Judgement {
  /** Index of the background seen. */
  readonly background: number;
  /** Concepts by distance, the nearest first. */
  readonly concepts: readonly number[];
  /** Style of the nearest drawing. */
  readonly style: number;
  /** Root mean square difference, in 0–255, from the nearest composite that training could show; 0 is a copy. */
  readonly copyDistance: number;
}

/** Shares of all prompts, 0–1. */
export interface Report {
  readonly prompts: number;
  readonly background: number;
  readonly top1: number;
  readonly top5: number;
  readonly style: number;
  /** Concept (top 1), style and background all correct. */
  readonly all: number;
  /** Median of `copyDistance`. */
  readonly copyDistance: number;
}

/**
 * The first `count` held-out pairs, in a fixed order: every concept that has one comes once, cycling through the
 * styles, before any comes twice. Fewer if there are no more.
 */
export function heldOutPrompts(data: PretrainData, count: number): JudgePrompt[] {
  return fixedPrompts(data, count, true);
}

/** The same for trained pairs, for comparison. */
export function trainedPrompts(data: PretrainData, count: number): JudgePrompt[] {
  return fixedPrompts(data, count, false);
}

function fixedPrompts(data: PretrainData, count: number, heldOut: boolean): JudgePrompt[] {
  const order = (name: (index: number) => string) => (a: number, b: number) =>
    hashName(`judge ${name(a)}`) - hashName(`judge ${name(b)}`);
  const concepts = [...data.concepts.keys()].sort(order((index) => at(data.concepts, index).hex));
  const rounds: JudgePrompt[][] = [];
  for (const [place, concept] of concepts.entries()) {
    const named = at(data.concepts, concept);
    const backgrounds = [...data.backgrounds.keys()]
      .filter((index) => isHeldOut(data, named, at(data.backgrounds, index)) === heldOut)
      .sort(order((index) => `${named.hex}|${at(data.backgrounds, index).name}`));
    for (let turn = 0; turn < data.styles.length; turn++) {
      for (const [n, background] of backgrounds.entries()) {
        const style = (place + n + turn) % data.styles.length;
        const prompt = judgePrompt(named, at(data.styles, style), at(data.backgrounds, background));
        (rounds[turn * backgrounds.length + n] ??= []).push({ prompt, concept, style, background });
      }
    }
  }
  return rounds.flat().slice(0, count);
}

/** Side of the small pictures to compare, pixels. */
const smallSide = 16;
const smallArea = smallSide * smallSide;
/** Width of the border whose median colour is the background. */
const border = 4;

/** A training drawing centred in a picture, at 16×16: colour times opacity, and transparency. */
interface Prototype {
  readonly concept: number;
  readonly style: number;
  readonly placed: PlacedSprite;
  /** [3, 16, 16] in 0–255. */
  readonly colour: Float32Array;
  /** [16, 16] in 0–1. */
  readonly clear: Float32Array;
}

/** Compares pictures with every (concept, style) of a configuration at three sizes; created once (about 0.3 s). */
export class Judge {
  readonly #data: PretrainData;
  readonly #prototypes: Prototype[] = [];

  constructor({ data, sprites }: TrainingArt) {
    this.#data = data;
    const { frame, scale } = data.placement;
    for (const share of new Set([scale[0], (scale[0] + scale[1]) / 2, scale[1]])) {
      for (const [concept, styles] of sprites.entries()) {
        for (const [style, sprite] of styles.entries()) {
          this.#prototypes.push(makePrototype(data.size, sprite, frame * share, concept, style));
        }
      }
    }
  }

  /**
   * @param image [3, size, size] in [-1, 1]
   * @param asked index of the requested background; the drawings are compared on its colour
   */
  judge(image: Float32Array, asked: number): Judgement {
    const { size } = this.#data;
    const median = borderColour(image, size);
    const background = backgroundSeen(this.#data, image);
    const { ranked, closest } = this.#compare(image, asked);
    const copyDistance = nearestCopy(image, size, median, closest.placed);
    return { background, concepts: ranked, style: closest.style, copyDistance };
  }

  /** Concepts by distance, the nearest first. @param asked as above */
  conceptsIn(image: Float32Array, asked: number): readonly number[] {
    return this.#compare(image, asked).ranked;
  }

  /** The style with the nearest drawing of a concept, as an index. @param asked as above */
  styleOf(image: Float32Array, asked: number, concept: number): number {
    const picture = shrink(image, this.#data.size);
    const { rgb } = at(this.#data.backgrounds, asked);
    const own = this.#prototypes.filter((prototype) => prototype.concept === concept);
    return at(own, nearest(own.map((prototype) => prototypeDistance(picture, prototype, rgb)))).style;
  }

  #compare(image: Float32Array, asked: number): { ranked: number[]; closest: Prototype } {
    const { size, backgrounds, concepts } = this.#data;
    const picture = shrink(image, size);
    const { rgb } = at(backgrounds, asked);
    const best = new Float64Array(concepts.length).fill(Infinity);
    let closest = at(this.#prototypes, 0);
    let distance = Infinity;
    for (const prototype of this.#prototypes) {
      const apart = prototypeDistance(picture, prototype, rgb);
      best[prototype.concept] = Math.min(best[prototype.concept]!, apart);
      if (apart < distance) [closest, distance] = [prototype, apart];
    }
    return { ranked: [...concepts.keys()].sort((a, b) => best[a]! - best[b]!), closest };
  }

  /** Judges one picture per prompt. */
  report(prompts: readonly JudgePrompt[], images: readonly Float32Array[]): Report {
    const judgements = prompts.map((prompt, index) => this.judge(at(images, index), prompt.background));
    return summarise(prompts, judgements);
  }
}

/** The shares over all prompts of single judgements. */
export function summarise(prompts: readonly JudgePrompt[], judgements: readonly Judgement[]): Report {
  const share = (right: (judgement: Judgement, prompt: JudgePrompt) => boolean) =>
    judgements.filter((judgement, index) => right(judgement, at(prompts, index))).length / prompts.length;
  const distances = judgements.map((judgement) => judgement.copyDistance).sort((a, b) => a - b);
  return {
    prompts: prompts.length,
    background: share((judgement, asked) => judgement.background === asked.background),
    top1: share((judgement, asked) => judgement.concepts[0] === asked.concept),
    top5: share((judgement, asked) => judgement.concepts.slice(0, 5).includes(asked.concept)),
    style: share((judgement, asked) => judgement.style === asked.style),
    all: share(
      (judgement, asked) =>
        judgement.background === asked.background &&
        judgement.concepts[0] === asked.concept &&
        judgement.style === asked.style,
    ),
    copyDistance: distances[distances.length >> 1] ?? NaN,
  };
}

/** Index of the background whose colour is nearest to the border's. */
export function backgroundSeen({ backgrounds, size }: PretrainData, image: Float32Array): number {
  const median = borderColour(image, size);
  return nearest(backgrounds.map(({ rgb }) => squaredDistance(rgb, median)));
}

/** Drawn on black and on white: the difference gives the transparency. */
function makePrototype(
  size: number,
  sprite: Sprite,
  share: number,
  concept: number,
  style: number,
): Prototype {
  const placed = { sprite, x: size / 2, y: size / 2, side: share * size, angle: 0, mirror: false };
  const colour = shrink(compositePicture(size, [0, 0, 0], [placed]), size);
  const onWhite = shrink(compositePicture(size, [255, 255, 255], [placed]), size);
  const clear = new Float32Array(smallArea);
  for (let pixel = 0; pixel < smallArea; pixel++) clear[pixel] = (onWhite[pixel]! - colour[pixel]!) / 255;
  return { concept, style, placed, colour, clear };
}

/**
 * The smallest difference from the drawing at any position and size, in 0–255: searched at half the resolution with
 * halving steps, measured at full resolution.
 */
function nearestCopy(
  image: Float32Array,
  size: number,
  rgb: readonly [number, number, number],
  start: PlacedSprite,
): number {
  const half = size / 2;
  const small = shrink(image, size, half);
  for (let index = 0; index < small.length; index++) small[index] = small[index]! / 127.5 - 1;
  let best: PlacedSprite = { ...start, x: start.x / 2, y: start.y / 2, side: start.side / 2 };
  let least = difference(compositePicture(half, rgb, [best]), small);
  for (let step = half / 32; step >= half / 256;) {
    const moves = [
      { ...best, x: best.x - step },
      { ...best, x: best.x + step },
      { ...best, y: best.y - step },
      { ...best, y: best.y + step },
      { ...best, side: best.side - step },
      { ...best, side: best.side + step },
    ];
    const before = least;
    for (const move of moves) {
      const distance = difference(compositePicture(half, rgb, [move]), small);
      if (distance < least) [best, least] = [move, distance];
    }
    if (least === before) step /= 2;
  }
  const copy = compositePicture(size, rgb, [{ ...best, x: best.x * 2, y: best.y * 2, side: best.side * 2 }]);
  return difference(copy, image);
}

/** Root mean square difference of two pictures in [-1, 1], in 0–255. */
function difference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index]! - b[index]!) ** 2;
  return Math.sqrt(sum / a.length) * 127.5;
}

/** Block means: [3, size, size] in [-1, 1] → [3, side, side] in 0–255. */
function shrink(image: Float32Array, size: number, side = smallSide): Float32Array {
  const small = new Float32Array(3 * side * side);
  const block = size / side;
  const scale = 127.5 / (block * block);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < size; y++) {
      const from = (channel * size + y) * size;
      const to = (channel * side + Math.floor(y / block)) * side;
      for (let x = 0; x < size; x++) small[to + Math.floor(x / block)]! += (image[from + x]! + 1) * scale;
    }
  }
  return small;
}

function prototypeDistance(picture: Float32Array, prototype: Prototype, rgb: readonly number[]): number {
  let sum = 0;
  for (const [c, background] of rgb.entries()) {
    for (let pixel = 0; pixel < smallArea; pixel++) {
      const place = c * smallArea + pixel;
      sum += (prototype.colour[place]! + prototype.clear[pixel]! * background - picture[place]!) ** 2;
    }
  }
  return sum;
}

/** Median of each channel, 0–255, over the picture's border. */
function borderColour(image: Float32Array, size: number): [number, number, number] {
  const inside = (value: number) => value >= border && value < size - border;
  const median = (channel: number) => {
    const values: number[] = [];
    for (let pixel = 0; pixel < size * size; pixel++) {
      if (inside(pixel % size) && inside(Math.floor(pixel / size))) continue;
      values.push(image[channel * size * size + pixel]!);
    }
    values.sort((a, b) => a - b);
    return (at(values, values.length >> 1) + 1) * 127.5;
  };
  return [median(0), median(1), median(2)];
}

function squaredDistance(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + (value - at(b, index)) ** 2, 0);
}

function nearest(distances: readonly number[]): number {
  return distances.indexOf(Math.min(...distances));
}
