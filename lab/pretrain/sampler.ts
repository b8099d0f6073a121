/**
 * @file Training examples by number: example `index` of `seed` is always the same picture and caption, in any order and
 * on any thread. Held-out pairs are excluded before the first draw.
 */
import { at } from '../../core/at.ts';
import { writeCaption, type Layout, type Subject } from './captions.ts';
import { composite, type PlacedSprite } from './composite.ts';
import type { Background, PretrainData } from './concepts.ts';
import { hashName, isHeldOut, isHeldOutHue } from './held-out.ts';
import { ExampleRandom } from './example-random.ts';
import { dominantHue, otherHues, recoloured, type Hue } from './recolour.ts';
import type { Sprite } from './sprites.ts';

/** [left, top, right, bottom] in pixels. */
export type Box = readonly [number, number, number, number];

export interface Example {
  readonly caption: string;
  /** [3, size, size] in [-1, 1]. */
  readonly image: Float32Array;
  /** Indices into the configuration's lists. */
  readonly concept: number;
  readonly style: number;
  readonly background: number;
  /** The colour that the drawing was given; null for its own. */
  readonly hue: string | null;
  /** Position of each drawing, in drawing order. */
  readonly boxes: readonly Box[];
}

/** The material of the examples. */
export interface TrainingArt {
  readonly data: PretrainData;
  readonly sprites: readonly (readonly Sprite[])[];
  /** Backgrounds that each concept can be trained on, as indices. */
  readonly allowed: readonly (readonly number[])[];
  /** By concept and style: the drawing's dominant hue in degrees; null without one. */
  readonly hues: readonly (readonly (number | null)[])[];
}

export function prepareArt(data: PretrainData, sprites: readonly (readonly Sprite[])[]): TrainingArt {
  const allowed = data.concepts.map((concept) =>
    data.backgrounds.flatMap((background, index) => (isHeldOut(data, concept, background) ? [] : [index])),
  );
  return { data, sprites, allowed, hues: sprites.map((styles) => styles.map(dominantHue)) };
}

interface Scene extends Omit<Example, 'image'> {
  readonly rgb: readonly [number, number, number];
  readonly placed: readonly PlacedSprite[];
}

/** Example number `index` of `seed`. `into`, when given, receives the picture at `offset`. */
export function sampleExample(
  art: TrainingArt,
  seed: number,
  index: number,
  into: Float32Array = new Float32Array(3 * art.data.size ** 2),
  offset = 0,
): Example {
  const { rgb, placed, ...scene } = drawScene(art, new ExampleRandom(seed, index));
  const { size } = art.data;
  composite(into, offset, { left: 0, top: 0, width: size, height: size }, rgb, placed);
  return { ...scene, image: into.subarray(offset, offset + 3 * size * size) };
}

/** The caption of an example without its picture. */
export function sampleCaption(art: TrainingArt, seed: number, index: number): string {
  return drawScene(art, new ExampleRandom(seed, index)).caption;
}

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
  const { rgb, placed } = wild ? drawWildScene(art, random) : drawScene(art, random);
  const left = Math.floor(random.between(0, size - side + 1));
  const top = Math.floor(random.between(0, size - side + 1));
  composite(into, offset, { left, top, width: side, height: side }, rgb, placed);
  return into.subarray(offset, offset + 3 * side * side);
}

function drawScene(art: TrainingArt, random: ExampleRandom): Scene {
  const { data } = art;
  const concept = Math.floor(random.unit() * data.concepts.length);
  const style = Math.floor(random.unit() * data.styles.length);
  const drawn = drawLayout(art, concept, random);
  const { layout, other } = drawn;
  const dominant = at(at(art.hues, concept), style);
  const hue = layout.kind === 'pair' || dominant === null ? null : drawHue(art, concept, dominant, random);
  const background = hue === null ? drawn.background : otherThan(hue, drawn.background, art, concept, random);
  const subject: Subject = {
    concept: at(data.concepts, concept),
    style: at(data.styles, style),
    background: at(data.backgrounds, background),
    layout,
    ...(hue && { hue: hue.name }),
  };
  const sprite = at(at(art.sprites, concept), style);
  const own = hue === null ? sprite : recoloured(sprite, dominant!, hue);
  const placed = placeSprites(art, { concept, style, layout, other }, own, random);
  return {
    caption: writeCaption(subject, data.captions, random),
    concept,
    style,
    background,
    hue: hue?.name ?? null,
    boxes: placed.map(boxOf),
    rgb: jitter(subject.background, data.backgroundJitter, random),
    placed,
  };
}

/** A picture's contents, as indices; `other` is the second concept of a pair. */
export interface Shown {
  readonly concept: number;
  readonly style: number;
  readonly layout: Layout;
  readonly other: number;
}

/** The position of each drawing, by the configuration's placement. @param own the concept's drawing, in any colour */
export function placeSprites(
  { data, sprites }: TrainingArt,
  { concept, style, layout, other }: Shown,
  own: Sprite,
  random: ExampleRandom,
): PlacedSprite[] {
  return placesOf(layout, data, random).map(([x, y, side], place): PlacedSprite => {
    const index = layout.kind === 'pair' && place === 1 ? other : concept;
    const { rotate, mirror } = data.placement;
    const turned = random.chance(rotate.share);
    const angle = turned ? (random.between(-rotate.degrees, rotate.degrees) * Math.PI) / 180 : 0;
    const mirrored = random.chance(mirror) && !at(data.concepts, index).noMirror;
    return {
      sprite: index === concept ? own : at(at(sprites, index), style),
      x,
      y,
      side,
      angle,
      mirror: mirrored,
    };
  });
}

/** Chooses layout, second concept and background, never a held-out combination. */
function drawLayout(art: TrainingArt, concept: number, random: ExampleRandom) {
  const { data, allowed } = art;
  const { corners, counts, pairs } = data.placement;
  const backgrounds = at(allowed, concept);
  const alone = (layout: Layout) => ({ layout, other: concept, background: random.pick(backgrounds) });
  const kind = random.unit();
  if (kind < corners) return alone({ kind: 'corner', where: random.pick(cornerNames) });
  if (kind < corners + counts && !at(data.concepts, concept).noArticle) {
    return alone({ kind: 'count', count: random.chance(0.5) ? 2 : 3 });
  }
  if (kind >= corners + counts && kind < corners + counts + pairs) {
    const other = Math.floor(random.unit() * data.concepts.length);
    const both = backgrounds.filter((background) => at(allowed, other).includes(background));
    if (other !== concept && both.length > 0 && !isHeldOutPair(data, concept, other)) {
      const relation = random.chance(0.5) ? 'next to' : 'above';
      const layout: Layout = { kind: 'pair', relation, other: at(data.concepts, other) };
      return { layout, other, background: random.pick(both) };
    }
  }
  return alone({ kind: 'single' });
}

/** Another colour for a drawing of the hue `dominant`, or null to keep it; never a held-out one. */
function drawHue(
  { data }: TrainingArt,
  concept: number,
  dominant: number,
  random: ExampleRandom,
): Hue | null {
  if (!random.chance(data.placement.recolours)) return null;
  const hues = otherHues(dominant).filter(
    ({ name }) => !isHeldOutHue(data, at(data.concepts, concept), name),
  );
  return hues.length === 0 ? null : random.pick(hues);
}

/** The background, or another one if it has the drawing's colour. */
function otherThan(
  hue: Hue,
  background: number,
  { data, allowed }: TrainingArt,
  concept: number,
  random: ExampleRandom,
) {
  return at(data.backgrounds, background).name === hue.name
    ? random.pick(at(allowed, concept).filter((index) => index !== background))
    : background;
}

/** Centres of the named parts of a picture, as shares of its sides. */
export const corners: Readonly<Record<string, readonly [number, number]>> = {
  'top left': [0.28, 0.28],
  'top right': [0.72, 0.28],
  'bottom left': [0.28, 0.72],
  'bottom right': [0.72, 0.72],
  center: [0.5, 0.5],
};
const cornerNames = Object.keys(corners);

/** Centres of the first and the second drawing of a pair. */
export const pairMiddles = {
  'next to': [
    [0.27, 0.5],
    [0.73, 0.5],
  ],
  above: [
    [0.5, 0.27],
    [0.5, 0.73],
  ],
} as const;

/** True for held-out pairs of concepts. */
export function isHeldOutPair(data: PretrainData, a: number, b: number): boolean {
  const hexes = [at(data.concepts, a).hex, at(data.concepts, b).hex].sort().join('+');
  return hashName(hexes) % data.heldOut.modulus === 0;
}

/** Centre and longer side of each drawing in pixels. */
function placesOf(layout: Layout, data: PretrainData, random: ExampleRandom): [number, number, number][] {
  const { size, placement } = data;
  const around = (x: number, y: number, frame: number): [number, number, number] => {
    const scale = random.between(...placement.scale);
    // Inside the frame, so that the picture's border keeps the background's colour.
    const shift = Math.min(placement.shift, (frame * (1 - scale)) / 2);
    const [dx, dy] = [random.between(-shift, shift), random.between(-shift, shift)];
    return [(x + dx) * size, (y + dy) * size, frame * scale * size];
  };
  switch (layout.kind) {
    case 'single':
      return [around(0.5, 0.5, placement.frame)];
    case 'corner': {
      const [x, y] = corners[layout.where]!;
      return [around(x, y, placement.frame * 0.5)];
    }
    case 'count': {
      const { count } = layout;
      return Array.from({ length: count }, (_, place) =>
        around(0.5 + placement.frame * ((place + 0.5) / count - 0.5), 0.5, placement.frame / count),
      );
    }
    case 'pair':
      return pairMiddles[layout.relation].map(([x, y]) => around(x, y, placement.frame / 2));
  }
}

function drawWildScene({ data, sprites }: TrainingArt, random: ExampleRandom): Pick<Scene, 'rgb' | 'placed'> {
  const colour = () => Math.floor(random.unit() * 256);
  const count = 1 + Math.floor(random.unit() * 4);
  const placed = Array.from({ length: count }, (): PlacedSprite => {
    const [x, y] = [random.between(0.1, 0.9) * data.size, random.between(0.1, 0.9) * data.size];
    const side = random.between(0.3, 1.3) * data.size;
    const angle = random.between(-Math.PI, Math.PI);
    return { sprite: random.pick(random.pick(sprites)), x, y, side, angle, mirror: random.chance(0.5) };
  });
  return { rgb: [colour(), colour(), colour()], placed };
}

function jitter({ rgb }: Background, amount: number, random: ExampleRandom): [number, number, number] {
  const move = (value: number) => Math.max(0, Math.min(255, value + random.between(-amount, amount)));
  return [move(rgb[0]), move(rgb[1]), move(rgb[2])];
}

function boxOf({ sprite, x, y, side, angle }: PlacedSprite): Box {
  const [cos, sin] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))];
  const [width, height] = [sprite.extent[0] * side, sprite.extent[1] * side];
  const [halfX, halfY] = [(width * cos + height * sin) / 2, (width * sin + height * cos) / 2];
  return [x - halfX, y - halfY, x + halfX, y + halfY];
}
