/** @file What a picture shows of which drawings, and where each of them stands. */
import { at } from '../../core/at.ts';
import type { PlacedSprite } from './composite.ts';
import type { Concept, PretrainData, Wearable } from './concepts.ts';
import type { ExampleRandom } from './example-random.ts';
import type { Sprite } from './sprites.ts';

export const RELATIONS = ['next to', 'above', 'on', 'under'] as const;
export type Relation = (typeof RELATIONS)[number];

/** Number and position of a picture's drawings: the part of a caption besides names, style and background. */
export type Layout =
  | { readonly kind: 'single' }
  /** A small drawing in a part of the picture, such as "top left". */
  | { readonly kind: 'corner'; readonly where: string }
  | { readonly kind: 'count'; readonly count: 2 | 3 }
  | { readonly kind: 'pair'; readonly relation: Relation; readonly other: Concept }
  | { readonly kind: 'wearing'; readonly worn: Wearable; readonly what: Concept }
  | { readonly kind: 'sized'; readonly size: 'big' | 'tiny' };

/** Centres of the named parts of a picture, as shares of its sides. */
export const corners: Readonly<Record<string, readonly [number, number]>> = {
  'top left': [0.28, 0.28],
  'top right': [0.72, 0.28],
  'bottom left': [0.28, 0.72],
  'bottom right': [0.72, 0.72],
  center: [0.5, 0.5],
};
export const cornerNames = Object.keys(corners);

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
  on: [
    [0.5, 0.3],
    [0.5, 0.7],
  ],
  under: [
    [0.5, 0.73],
    [0.5, 0.27],
  ],
} as const satisfies Record<Relation, readonly (readonly [number, number])[]>;

/** Frames of the drawings that are asked to be very large or very small. */
const SIZED = { big: 0.98, tiny: 0.28 } as const;
/** Frame of a drawing that wears something, and of one in a place. */
const WEARER = 0.66;
const IN_PLACE = 0.66;

/** A picture's contents, as indices; `other` is the second concept of a pair. */
export interface Shown {
  readonly concept: number;
  readonly style: number;
  readonly layout: Layout;
  readonly other: number;
}

/** Drawings by concept, then style. */
export type Drawings = readonly (readonly Sprite[])[];

/**
 * The position of each drawing, by the configuration's placement.
 *
 * @param own the concept's drawing, in any colour
 * @param floor height of the ground that a single drawing stands on, as a share of the side; null: none
 */
export function placeSprites(
  { data, sprites }: { readonly data: PretrainData; readonly sprites: Drawings },
  { concept, style, layout, other }: Shown,
  own: Sprite,
  random: ExampleRandom,
  floor: number | null = null,
): PlacedSprite[] {
  const placed = placesOf(layout, data, random, floor).map(([x, y, side], place): PlacedSprite => {
    const index = layout.kind === 'pair' && place === 1 ? other : concept;
    const { rotate, mirror } = data.placement;
    const turned = random.chance(rotate.share);
    const angle = turned ? (random.between(-rotate.degrees, rotate.degrees) * Math.PI) / 180 : 0;
    const mirrored = random.chance(mirror) && !at(data.concepts, index).noMirror;
    const sprite = index === concept ? own : at(at(sprites, index), style);
    return { sprite, x, y, side, angle, mirror: mirrored };
  });
  const standing = floor === null ? placed : placed.map((one) => stood(one, floor * data.size));
  if (layout.kind !== 'wearing') return standing;
  const wearer = at(standing, 0);
  return [wearer, worn(wearer, layout.worn, at(at(sprites, data.concepts.indexOf(layout.what)), style))];
}

/** Moved down or up until its lower edge is at `floor`, in pixels. */
function stood(one: PlacedSprite, floor: number): PlacedSprite {
  return { ...one, y: floor - (one.sprite.extent[1] * one.side) / 2 };
}

/** The hat or glasses of a wearer. */
function worn(wearer: PlacedSprite, { where, width }: Wearable, sprite: Sprite): PlacedSprite {
  const [wide, high] = [wearer.sprite.extent[0] * wearer.side, wearer.sprite.extent[1] * wearer.side];
  const side = (wide * width) / sprite.extent[0];
  const top = wearer.y - high / 2;
  const y = where === 'eyes' ? top + 0.45 * high : top + 0.1 * high - (sprite.extent[1] * side) / 2;
  return { sprite, x: wearer.x, y, side, angle: 0, mirror: false };
}

/** Centre and longer side of each drawing in pixels. */
function placesOf(
  layout: Layout,
  data: PretrainData,
  random: ExampleRandom,
  floor: number | null,
): [number, number, number][] {
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
      return [around(0.5, 0.5, floor === null ? placement.frame : IN_PLACE)];
    case 'sized':
      return [around(0.5, 0.5, SIZED[layout.size])];
    case 'wearing':
      return [around(0.5, 0.62, WEARER)];
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
