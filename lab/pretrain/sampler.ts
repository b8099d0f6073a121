/**
 * @file Training examples by number: example `index` of `seed` is always the same picture and captions, in any order and
 * on any thread. Held-out pairs are excluded before the first draw.
 */
import { writeCaption } from './captions.ts';
import { composite, type PlacedSprite } from './composite.ts';
import type { PretrainData } from './concepts.ts';
import { ExampleRandom } from './example-random.ts';
import { dominantHue } from './recolour.ts';
import { allowedBackgrounds, drawScene, type Scene } from './scene.ts';
import type { CreatureSprite, Sprite } from './sprites.ts';

/** [left, top, right, bottom] in pixels. */
export type Box = readonly [number, number, number, number];

export interface Example {
  readonly caption: string;
  /** [3, size, size] in [-1, 1]. */
  readonly image: Float32Array;
  /** Indices into the configuration's lists; the concept means nothing for a creature. */
  readonly concept: number;
  readonly style: number;
  /** null for a place. */
  readonly background: number | null;
  /** The colour that the drawing was given; null for its own. */
  readonly hue: string | null;
  /** Position of each drawing, in drawing order. */
  readonly boxes: readonly Box[];
}

/** The material of the examples. */
export interface TrainingArt {
  readonly data: PretrainData;
  readonly sprites: readonly (readonly Sprite[])[];
  readonly creatures: readonly CreatureSprite[];
  /** Backgrounds that each concept can be trained on, as indices. */
  readonly allowed: readonly (readonly number[])[];
  /** Every word for a concept. */
  readonly names: ReadonlySet<string>;
  /** By concept and style: the drawing's dominant hue in degrees; null without one. */
  readonly hues: readonly (readonly (number | null)[])[];
}

export function prepareArt(
  data: PretrainData,
  sprites: readonly (readonly Sprite[])[],
  creatures: TrainingArt['creatures'] = [],
): TrainingArt {
  const hues = sprites.map((styles) => styles.map(dominantHue));
  const names = new Set(data.concepts.flatMap(({ word, also = [] }) => [word, ...also]));
  return { data, sprites, creatures, allowed: allowedBackgrounds(data), names, hues };
}

/** Example number `index` of `seed`. `into`, when given, receives the picture at `offset`. */
export function sampleExample(
  art: TrainingArt,
  seed: number,
  index: number,
  into: Float32Array = new Float32Array(3 * art.data.size ** 2),
  offset = 0,
): Example {
  const scene = drawScene(art, new ExampleRandom(seed, index));
  return {
    caption: captionOf(art, scene, seed, index, 0),
    concept: scene.concept,
    style: scene.style,
    background: scene.background,
    hue: scene.subject.hue,
    boxes: scene.placed.map(boxOf),
    image: drawPicture(art, scene, into, offset),
  };
}

/** Draws the same picture, and returns captions 0 to `count` − 1 of it. */
export function sampleCaptioned(
  art: TrainingArt,
  seed: number,
  index: number,
  count: number,
  into: Float32Array,
  offset: number,
): string[] {
  const scene = drawScene(art, new ExampleRandom(seed, index));
  drawPicture(art, scene, into, offset);
  return captionsOf(art, scene, seed, index, count);
}

function drawPicture(
  { data: { size } }: TrainingArt,
  { ground, placed }: Scene,
  into: Float32Array,
  offset: number,
): Float32Array {
  composite(into, offset, { left: 0, top: 0, width: size, height: size }, ground, placed);
  return into.subarray(offset, offset + 3 * size * size);
}

/** Captions 0 to `count` − 1 of an example, without its picture. */
export function sampleCaptions(art: TrainingArt, seed: number, index: number, count: number): string[] {
  const scene = drawScene(art, new ExampleRandom(seed, index));
  return captionsOf(art, scene, seed, index, count);
}

const captionsOf = (art: TrainingArt, scene: Scene, seed: number, index: number, count: number): string[] =>
  Array.from({ length: count }, (_, variant) => captionOf(art, scene, seed, index, variant));

const captionOf = (
  { data, names }: TrainingArt,
  { subject }: Scene,
  seed: number,
  index: number,
  variant: number,
): string =>
  writeCaption(subject, data.captions, names, new ExampleRandom(seed + 1e6 * (variant + 1), index));

/**
 * Square crop number `index` of `seed` for the autoencoder, [3, side, side] in [-1, 1]. A share of the crops
 * (`data.crops.wild`) shows several turned drawings of any size on any colour, because members' photos are busier than
 * the training pictures.
 */
export function sampleCrop(
  art: TrainingArt,
  seed: number,
  index: number,
  side: number = art.data.crops.side,
  into: Float32Array = new Float32Array(3 * side * side),
  offset = 0,
): Float32Array {
  const random = new ExampleRandom(seed, index);
  const { size } = art.data;
  const wild = random.chance(art.data.crops.wild);
  const { ground, placed } = wild ? drawWildScene(art, random) : drawScene(art, random);
  const left = Math.floor(random.between(0, size - side + 1));
  const top = Math.floor(random.between(0, size - side + 1));
  composite(into, offset, { left, top, width: side, height: side }, ground, placed);
  return into.subarray(offset, offset + 3 * side * side);
}

function drawWildScene(
  { data, sprites }: TrainingArt,
  random: ExampleRandom,
): Pick<Scene, 'ground' | 'placed'> {
  const colour = () => Math.floor(random.unit() * 256);
  const count = 1 + Math.floor(random.unit() * 4);
  const placed = Array.from({ length: count }, (): PlacedSprite => {
    const [x, y] = [random.between(0.1, 0.9) * data.size, random.between(0.1, 0.9) * data.size];
    const side = random.between(0.3, 1.3) * data.size;
    const angle = random.between(-Math.PI, Math.PI);
    return { sprite: random.pick(random.pick(sprites)), x, y, side, angle, mirror: random.chance(0.5) };
  });
  return { ground: [colour(), colour(), colour()], placed };
}

function boxOf({ sprite, x, y, side, angle }: PlacedSprite): Box {
  const [cos, sin] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))];
  const [width, height] = [sprite.extent[0] * side, sprite.extent[1] * side];
  const [halfX, halfY] = [(width * cos + height * sin) / 2, (width * sin + height * cos) / 2];
  return [x - halfX, y - halfY, x + halfX, y + halfY];
}
