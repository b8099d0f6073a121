/**
 * @file Draws sprites on a ground into a [3, height, width] picture in [-1, 1], by inverse mapping with
 * bilinear sampling of premultiplied colour. Plain loops over typed arrays, because the training set is made with it.
 */
import { at } from '../../core/at.ts';
import { fillGround, type Ground, type Window } from './grounds.ts';
import { drawingSide, levelSides, spriteSide, type Sprite } from './sprites.ts';

/** Position and size of one sprite; lengths in pixels of the whole picture. */
export interface PlacedSprite {
  readonly sprite: Sprite;
  /** The drawing's centre. */
  readonly x: number;
  readonly y: number;
  /** Longer side of the drawing. */
  readonly side: number;
  /** Clockwise, in radians. */
  readonly angle: number;
  readonly mirror: boolean;
}

/**
 * Draws `placed` in order on `ground` and writes the part inside `window` to `out` at `offset`.
 *
 * @param out receives 3·height·width values in [-1, 1], channel by channel.
 */
export function composite(
  out: Float32Array,
  offset: number,
  window: Window,
  ground: Ground,
  placed: readonly PlacedSprite[],
): void {
  fillGround(out, offset, window, ground);
  for (const one of placed) drawSprite(out, offset, window, one);
}

/** The whole picture of `placed` on `ground`: [3, size, size] in [-1, 1]. */
export function compositePicture(
  size: number,
  ground: Ground,
  placed: readonly PlacedSprite[],
): Float32Array {
  const picture = new Float32Array(3 * size * size);
  composite(picture, 0, { left: 0, top: 0, width: size, height: size }, ground, placed);
  return picture;
}

function drawSprite(out: Float32Array, offset: number, window: Window, placed: PlacedSprite): void {
  const scale = placed.side / drawingSide;
  const level = levelFor(scale);
  const side = at(levelSides, level);
  const pixels = at(placed.sprite.levels, level);
  const { ux, uy, vx, vy } = toSprite(placed, side / spriteSide / scale);
  const { firstX, lastX, firstY, lastY } = reachOf(placed, scale, window);
  const area = window.width * window.height;
  const edge = side - 1;
  const rowBytes = side * 4;

  for (let row = firstY; row <= lastY; row++) {
    const dy = row + window.top + 0.5 - placed.y;
    for (let column = firstX; column <= lastX; column++) {
      const dx = column + window.left + 0.5 - placed.x;
      const u = ux * dx + uy * dy + side / 2 - 0.5;
      const v = vx * dx + vy * dy + side / 2 - 0.5;
      if (!(u >= 0 && v >= 0 && u < edge && v < edge)) continue; // the margin is transparent
      const u0 = u | 0;
      const v0 = v | 0;
      const fu = u - u0;
      const fv = v - v0;
      const here = v0 * rowBytes + u0 * 4;
      const below = here + rowBytes;
      const w00 = (1 - fu) * (1 - fv);
      const w01 = fu * (1 - fv);
      const w10 = (1 - fu) * fv;
      const w11 = fu * fv;
      const alpha =
        w00 * pixels[here + 3]! +
        w01 * pixels[here + 7]! +
        w10 * pixels[below + 3]! +
        w11 * pixels[below + 7]!;
      if (alpha === 0) continue;
      // In [-1, 1]: c' = a·s + (1 − a)·c with s = colour/127.5 − 1, and the sprite holds a·colour.
      const cover = alpha / 255;
      let to = offset + row * window.width + column;
      for (let c = 0; c < 3; c++, to += area) {
        const colour =
          w00 * pixels[here + c]! +
          w01 * pixels[here + 4 + c]! +
          w10 * pixels[below + c]! +
          w11 * pixels[below + 4 + c]!;
        out[to] = colour / 127.5 - cover + (1 - cover) * out[to]!;
      }
    }
  }
}

/** The smallest level with at least a pixel for each one drawn; slight blur is better than broken lines. */
function levelFor(scale: number): number {
  let level = 0;
  while (level + 1 < levelSides.length && at(levelSides, level + 1) >= spriteSide * scale * 0.9) level++;
  return level;
}

/** The matrix from offsets in the picture to offsets in the sprite: undoes the rotation, mirrors, multiplies by `step`. */
function toSprite({ angle, mirror }: PlacedSprite, step: number) {
  const flip = mirror ? -1 : 1;
  return {
    ux: Math.cos(angle) * step * flip,
    uy: Math.sin(angle) * step * flip,
    vx: -Math.sin(angle) * step,
    vy: Math.cos(angle) * step,
  };
}

/** First and last columns and rows of the window that the turned sprite can touch. */
function reachOf({ x, y, angle }: PlacedSprite, scale: number, { left, top, width, height }: Window) {
  const reach = ((spriteSide * scale) / 2) * (Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle)));
  return {
    firstX: Math.max(0, Math.floor(x - reach - left)),
    lastX: Math.min(width - 1, Math.ceil(x + reach - left)),
    firstY: Math.max(0, Math.floor(y - reach - top)),
    lastY: Math.min(height - 1, Math.ceil(y + reach - top)),
  };
}
