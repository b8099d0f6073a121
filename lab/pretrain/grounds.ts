/** @file What a picture's drawings stand on: a plain colour, or a simple place such as a beach. */
import { at } from '../../core/at.ts';
import type { ExampleRandom } from './example-random.ts';

/** 0–255. */
export type Rgb = readonly [number, number, number];

export const PLACES = ['grass', 'beach', 'snow', 'night sky', 'space'] as const;
export type PlaceName = (typeof PLACES)[number];

/** A small light or snowflake; lengths are shares of the picture's side. */
interface Dot {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

/** A place with everything that chance decided. */
export interface Place {
  readonly name: PlaceName;
  /** Where bands meet, from the top, as shares of the picture's side. */
  readonly bands: readonly { readonly until: number; readonly top: Rgb; readonly bottom: Rgb }[];
  readonly dots: readonly Dot[];
  /** Side of the whole picture in pixels. */
  readonly size: number;
}

export type Ground = Rgb | Place;

export const isPlace = (ground: Ground): ground is Place => 'bands' in ground;

/** Where things stand in a place: `floor` is the height of their feet, as a share of the side; null: they float. */
export const FLOORS: Readonly<Record<PlaceName, number | null>> = {
  grass: 0.9,
  beach: 0.92,
  snow: 0.92,
  'night sky': null,
  space: null,
};

/** The words that follow a subject. */
export const PLACE_PHRASES: Readonly<Record<PlaceName, readonly [string, ...string[]]>> = {
  grass: [' on grass', ' on the grass', ' in the grass', ' in a field', ' in a garden', ', grass background'],
  beach: [' on the beach', ' at the beach', ' by the sea', ', beach background'],
  snow: [' in the snow', ' on snow', ', snow background'],
  'night sky': [' in the night sky', ' at night', ', night sky background'],
  space: [' in space', ' in outer space', ', space background'],
};

const SKY: readonly [Rgb, Rgb] = [
  [112, 184, 245],
  [196, 230, 252],
];

/** The place of an example. */
export function drawPlace(name: PlaceName, size: number, random: ExampleRandom): Place {
  const jitter = random.between(-0.04, 0.04);
  const dots = (count: number, low: number, high: number): Dot[] =>
    Array.from({ length: count }, () => ({
      x: random.unit(),
      y: random.unit(),
      radius: random.between(low, high),
    }));
  const sky = (until: number) => ({ until, top: SKY[0], bottom: SKY[1] });
  switch (name) {
    case 'grass':
      return {
        name,
        size,
        bands: [sky(0.66 + jitter), { until: 1, top: [122, 196, 82], bottom: [72, 152, 54] }],
        dots: [],
      };
    case 'beach':
      return {
        name,
        size,
        bands: [
          sky(0.48 + jitter),
          { until: 0.66 + jitter, top: [38, 130, 200], bottom: [92, 196, 222] },
          { until: 1, top: [244, 222, 168], bottom: [228, 196, 134] },
        ],
        dots: [],
      };
    case 'snow':
      return {
        name,
        size,
        bands: [
          { until: 0.68 + jitter, top: [150, 178, 214], bottom: [204, 220, 238] },
          { until: 1, top: [250, 252, 255], bottom: [226, 236, 248] },
        ],
        dots: dots(16, 0.008, 0.014),
      };
    case 'night sky':
      return {
        name,
        size,
        bands: [{ until: 1, top: [12, 16, 54], bottom: [52, 58, 128] }],
        dots: dots(18, 0.006, 0.011),
      };
    case 'space':
      return {
        name,
        size,
        bands: [
          { until: 0.5, top: [10, 8, 26], bottom: [44, 18, 66] },
          { until: 1, top: [44, 18, 66], bottom: [10, 8, 26] },
        ],
        dots: dots(24, 0.005, 0.011),
      };
  }
}

/** The part of a picture to draw, in pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Fills the window's part of a picture, [3, height, width] in [-1, 1], channel by channel. */
export function fillGround(out: Float32Array, offset: number, window: Window, ground: Ground): void {
  const area = window.width * window.height;
  if (!isPlace(ground)) {
    for (let c = 0; c < 3; c++)
      out.fill(at(ground, c) / 127.5 - 1, offset + c * area, offset + (c + 1) * area);
    return;
  }
  for (let row = 0; row < window.height; row++) {
    const rgb = bandColour(ground, (row + window.top + 0.5) / ground.size);
    for (let c = 0; c < 3; c++) {
      const from = offset + c * area + row * window.width;
      out.fill(at(rgb, c) / 127.5 - 1, from, from + window.width);
    }
  }
  for (const dot of ground.dots) drawDot(out, offset, window, ground.size, dot);
}

function bandColour({ bands }: Place, y: number): Rgb {
  const index = Math.max(
    0,
    bands.findIndex(({ until }) => y < until),
  );
  const { until, top, bottom } = at(bands, index);
  const from = index === 0 ? 0 : at(bands, index - 1).until;
  const share = Math.min(1, Math.max(0, (y - from) / (until - from)));
  const mixed = (c: 0 | 1 | 2): number => top[c] + (bottom[c] - top[c]) * share;
  return [mixed(0), mixed(1), mixed(2)];
}

/** A white dot with soft edges. */
function drawDot(
  out: Float32Array,
  offset: number,
  { left, top, width, height }: Window,
  size: number,
  dot: Dot,
): void {
  const [x, y, radius] = [dot.x * size - left, dot.y * size - top, dot.radius * size];
  for (let row = Math.max(0, Math.floor(y - radius - 1)); row < Math.min(height, y + radius + 1); row++) {
    for (
      let column = Math.max(0, Math.floor(x - radius - 1));
      column < Math.min(width, x + radius + 1);
      column++
    ) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
      if (cover === 0) continue;
      let to = offset + row * width + column;
      for (let c = 0; c < 3; c++, to += width * height) out[to] = out[to]! + (1 - out[to]!) * cover;
    }
  }
}
