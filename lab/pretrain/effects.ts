/** @file Looks that any drawing can be given: watercolour, pixel art, and a pencil sketch. */
import { at } from '../../core/at.ts';
import type { ExampleRandom } from './example-random.ts';
import { levelSides, type Sprite } from './sprites.ts';

export const EFFECTS = ['watercolor', 'pixel art', 'sketch'] as const;
export type Effect = (typeof EFFECTS)[number];

/** The ways to ask for an effect: " of a cat" follows one of `media`, " cat" follows `word`. */
export const EFFECT_WORDS: Readonly<
  Record<Effect, { readonly media: readonly string[]; readonly word: string }>
> = {
  watercolor: {
    word: 'watercolor',
    media: ['a watercolor', 'a watercolour', 'a watercolor painting', 'a painting'],
  },
  'pixel art': { word: 'pixel art', media: ['pixel art', 'an 8-bit sprite'] },
  sketch: {
    word: 'pencil',
    media: ['a sketch', 'a pencil drawing', 'a pencil sketch', 'a black and white drawing'],
  },
};

/** The drawing with an effect, at every level; its extent stays. */
export function withEffect(sprite: Sprite, effect: Effect, random: ExampleRandom): Sprite {
  const make = { watercolor: watercolour, 'pixel art': pixelArt, sketch }[effect];
  const seed = Math.floor(random.unit() * 2 ** 31);
  const levels = sprite.levels.map((pixels, level) => make(pixels, at(levelSides, level), seed));
  return { levels, extent: sprite.extent };
}

/** Blocks of one colour: 20 on each side, fully opaque or clear. */
function pixelArt(pixels: Uint8Array, side: number): Uint8Array {
  const blocks = 20;
  const result = new Uint8Array(side * side * 4);
  const block = side / blocks;
  for (let by = 0; by < blocks; by++) {
    for (let bx = 0; bx < blocks; bx++) {
      const [left, right] = [Math.round(bx * block), Math.round((bx + 1) * block)];
      const [top, bottom] = [Math.round(by * block), Math.round((by + 1) * block)];
      const sums = [0, 0, 0, 0];
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++)
          for (let c = 0; c < 4; c++) sums[c]! += pixels[(y * side + x) * 4 + c]!;
      const count = (right - left) * (bottom - top);
      if (sums[3]! < 110 * count) continue;
      // Six steps a channel, as old consoles had.
      const colour = [0, 1, 2].map((c) => 51 * Math.round(((255 * sums[c]!) / sums[3]! / 255) * 5));
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) {
          const to = (y * side + x) * 4;
          for (let c = 0; c < 3; c++) result[to + c] = colour[c]!;
          result[to + 3] = 255;
        }
    }
  }
  return result;
}

/** Uneven, paler washes with darker rims. */
function watercolour(pixels: Uint8Array, side: number, seed: number): Uint8Array {
  const soft = blurred(pixels, side, Math.max(1, Math.round(side / 56)));
  const result = new Uint8Array(soft.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const to = (y * side + x) * 4;
      const opacity = Math.round(soft[to + 3]!);
      const alpha = opacity / 255;
      if (alpha === 0) continue;
      const wash = smoothNoise((x / side) * 5, (y / side) * 5, seed) * 0.35 + 0.72;
      const grain = smoothNoise((x / side) * 28, (y / side) * 28, seed + 7) * 0.12;
      const rim = alpha > 0.25 && alpha < 0.85 ? 0.12 : 0;
      const strength = Math.min(1, wash + rim - grain);
      for (let c = 0; c < 3; c++) {
        const colour = Math.min(255, soft[to + c]! / alpha);
        result[to + c] = Math.round((255 - (255 - colour) * strength) * alpha);
      }
      result[to + 3] = opacity;
    }
  }
  return result;
}

/** Dark lines on paper where brightness or opacity changes. */
function sketch(pixels: Uint8Array, side: number, seed: number): Uint8Array {
  const soft = blurred(pixels, side, 1);
  const tone = (x: number, y: number): number => {
    const from = (Math.min(side - 1, Math.max(0, y)) * side + Math.min(side - 1, Math.max(0, x))) * 4;
    const light = 0.3 * soft[from]! + 0.59 * soft[from + 1]! + 0.11 * soft[from + 2]!;
    // On black outside, so that the outline shows.
    return light + 0.35 * soft[from + 3]!;
  };
  const result = new Uint8Array(pixels.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const to = (y * side + x) * 4;
      const alpha = pixels[to + 3]! / 255;
      if (alpha === 0) continue;
      const slope = Math.hypot(tone(x + 1, y) - tone(x - 1, y), tone(x, y + 1) - tone(x, y - 1));
      const shade = 1 - tone(x, y) / 345;
      const hatch = (x + y) % Math.max(3, Math.round(side / 24)) === 0 ? 70 * shade : 0;
      const grain = 14 * smoothNoise((x / side) * 40, (y / side) * 40, seed);
      const grey = Math.max(30, 250 - 3.2 * slope - hatch - grain);
      for (let c = 0; c < 3; c++) result[to + c] = Math.round(grey * alpha);
      result[to + 3] = pixels[to + 3]!;
    }
  }
  return result;
}

/** The mean of each square of 2·radius+1 pixels, premultiplied. */
function blurred(pixels: Uint8Array, side: number, radius: number): Float32Array {
  const pass = (from: ArrayLike<number>, stepX: number, stepY: number): Float32Array => {
    const to = new Float32Array(from.length);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let c = 0; c < 4; c++) {
          let sum = 0;
          for (let k = -radius; k <= radius; k++) {
            const [px, py] = [x + k * stepX, y + k * stepY];
            if (px >= 0 && py >= 0 && px < side && py < side) sum += from[(py * side + px) * 4 + c]!;
          }
          to[(y * side + x) * 4 + c] = sum / (2 * radius + 1);
        }
    return to;
  };
  return pass(pass(pixels, 1, 0), 0, 1);
}

/** Value noise, 0 to 1. */
function smoothNoise(x: number, y: number, seed: number): number {
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const ease = (t: number): number => t * t * (3 - 2 * t);
  const [fx, fy] = [ease(x - x0), ease(y - y0)];
  const corner = (cx: number, cy: number): number => {
    let hash = Math.imul(cx * 374761393 + cy * 668265263 + seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
  };
  const [top, bottom] = [y0, y0 + 1].map(
    (cy) => corner(x0, cy) + (corner(x0 + 1, cy) - corner(x0, cy)) * fx,
  ) as [number, number];
  return top + (bottom - top) * fy;
}
