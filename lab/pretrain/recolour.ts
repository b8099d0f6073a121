/**
 * @file Recolours drawings by shifting their dominant hue: "a blue fox" is made from an orange one. Only drawings with
 * one dominant hue are recoloured; grey, white, black and other hues stay.
 */
import { at } from '../../core/at.ts';
import { levelSides, type Sprite } from './sprites.ts';

export interface Hue {
  readonly name: string;
  /** Degrees on the colour wheel: 0 is red, 120 is green. */
  readonly degrees: number;
}

/** Target hues. */
export const HUES: readonly Hue[] = [
  { name: 'red', degrees: 0 },
  { name: 'orange', degrees: 28 },
  { name: 'yellow', degrees: 52 },
  { name: 'green', degrees: 125 },
  { name: 'blue', degrees: 215 },
  { name: 'purple', degrees: 275 },
  { name: 'pink', degrees: 325 },
];

/** A pixel has a hue above these limits of saturation and value (HSV, 0–1). */
const COLOURED = { saturation: 0.4, value: 0.45 };
/** Hues within this distance, in degrees, are shades of one. */
const NEAR = 40;
/** Minimum share of visible pixels with a hue, and the minimum share of these with the dominant hue. */
const ENOUGH = { coloured: 0.4, strongest: 0.65 };

/** The dominant hue of a drawing in degrees, or null without one. */
export function dominantHue(sprite: Sprite): number | null {
  const pixels = at(sprite.levels, -1);
  const weights = new Float64Array(360);
  let [visible, coloured] = [0, 0];
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = pixels[at + 3]!;
    visible += alpha;
    const { hue, saturation, value } = hsv(pixels, at);
    if (saturation < COLOURED.saturation || value < COLOURED.value * alpha) continue;
    coloured += alpha;
    weights[Math.floor(hue)]! += alpha;
  }
  if (coloured < ENOUGH.coloured * visible) return null;
  let best = { hue: 0, weight: -1, turn: 0 };
  for (let hue = 0; hue < 360; hue += 4) {
    let [weight, moment] = [0, 0];
    for (let turn = -NEAR; turn <= NEAR; turn++) {
      const each = weights[(hue + turn + 360) % 360]!;
      weight += each;
      moment += each * turn;
    }
    if (weight > best.weight) best = { hue, weight, turn: moment / weight };
  }
  return best.weight < ENOUGH.strongest * coloured ? null : (best.hue + best.turn + 360) % 360;
}

/** The hues far enough from a drawing's dominant hue that the change is visible. */
export function otherHues(dominant: number): readonly Hue[] {
  return HUES.filter(({ degrees }) => circleDistance(degrees, dominant) >= NEAR);
}

/** The drawing with the shades of its dominant hue shifted to another; saturation, value and opacity stay. */
export function recoloured(sprite: Sprite, dominant: number, to: Hue): Sprite {
  const turn = to.degrees - dominant;
  const levels = sprite.levels.map((pixels, level) => {
    const turned = pixels.slice();
    const bytes = at(levelSides, level) ** 2 * 4;
    for (let place = 0; place < bytes; place += 4) {
      const { hue, saturation, value } = hsv(pixels, place);
      if (saturation > 0.08 && circleDistance(hue, dominant) <= 1.25 * NEAR)
        writeHsv(turned, place, (hue + turn + 720) % 360, saturation, value);
    }
    return turned;
  });
  return { levels, extent: sprite.extent };
}

function circleDistance(a: number, b: number): number {
  const apart = Math.abs(a - b) % 360;
  return Math.min(apart, 360 - apart);
}

/**
 * Of premultiplied colour: hue in degrees and saturation are the same as unmultiplied; value is 0–255 times opacity.
 */
function hsv(pixels: Uint8Array, at: number): { hue: number; saturation: number; value: number } {
  const [r, g, b] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!];
  const value = Math.max(r, g, b);
  const range = value - Math.min(r, g, b);
  if (range === 0) return { hue: 0, saturation: 0, value };
  const sixth =
    value === r ? ((g - b) / range + 6) % 6 : value === g ? (b - r) / range + 2 : (r - g) / range + 4;
  return { hue: sixth * 60, saturation: range / value, value };
}

function writeHsv(pixels: Uint8Array, at: number, hue: number, saturation: number, value: number): void {
  for (const [channel, offset] of [5, 3, 1].entries()) {
    const k = (offset + hue / 60) % 6;
    pixels[at + channel] = Math.round(value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  }
}
