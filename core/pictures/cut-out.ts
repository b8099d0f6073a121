/**
 * @file Cuts what a picture shows out of its plain background: flood fill from the border, soft at the edge. For emoji
 * with a transparent background, and for masks of photos; no model, so it needs a background of one colour.
 */

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, rows from the top. */
  readonly pixels: Uint8Array;
}

export interface CutOut {
  /** Cover of each pixel, 0 (background) to 255. */
  readonly alpha: Uint8Array;
  /** The colour that was taken away, 0–255. */
  readonly background: readonly [number, number, number];
}

/**
 * Sum of the three channels' differences up to which a pixel is background. Wider than flat art needs (36), as
 * generated pictures have a grain of their own.
 */
const TOLERANCE = 60;
/** What differs nowhere more than this many times the tolerance, and is not the largest, is a stain of the background. */
const STAIN = 3;
/** Share of the border that must have the background's colour. */
const PLAIN = 0.7;

/** null when the border has no one colour, so that there is nothing to cut along. */
export function cutOut({ width, height, pixels }: RgbPicture, tolerance = TOLERANCE): CutOut | null {
  const border = borderOf(width, height);
  const background = [0, 1, 2].map((channel) =>
    median(border.map((at) => pixels[3 * at + channel]!)),
  ) as unknown as [number, number, number];
  const distance = (at: number): number =>
    Math.abs(pixels[3 * at]! - background[0]) +
    Math.abs(pixels[3 * at + 1]! - background[1]) +
    Math.abs(pixels[3 * at + 2]! - background[2]);
  const seeds = border.filter((at) => distance(at) <= tolerance);
  if (seeds.length < PLAIN * border.length) return null;

  const outside = new Uint8Array(width * height);
  const waiting = [...seeds];
  for (const at of seeds) outside[at] = 1;
  while (waiting.length > 0) {
    for (const next of neighbours(waiting.pop()!, width, height)) {
      if (outside[next] || distance(next) > tolerance) continue;
      outside[next] = 1;
      waiting.push(next);
    }
  }
  const islands = islandsOf(outside, width, height).sort((a, b) => b.length - a.length);
  for (const island of islands.slice(1))
    if (island.every((at) => distance(at) < STAIN * tolerance)) for (const at of island) outside[at] = 1;
  const alpha = outside.map((out) => (out ? 0 : 255));
  // Pixels along the edge are mixtures of the background and what lies behind the edge.
  for (let at = 0; at < alpha.length; at++) {
    const around = neighbours(at, width, height);
    if (outside[at] || !around.some((next) => outside[next])) continue;
    const inside = around.flatMap((next) => [next, ...neighbours(next, width, height)]);
    const furthest = Math.max(distance(at), ...inside.map(distance));
    alpha[at] = Math.round((255 * distance(at)) / furthest);
  }
  return { alpha, background };
}

/** RGBA with the background's share taken out of the edge's colours, so that no fringe stays on other backgrounds. */
export function withoutBackground({ width, height, pixels }: RgbPicture, cut: CutOut): Uint8Array {
  const rgba = new Uint8Array(4 * width * height);
  for (let at = 0; at < width * height; at++) {
    const cover = cut.alpha[at]! / 255;
    for (let channel = 0; channel < 3; channel++) {
      const mixed = pixels[3 * at + channel]!;
      const own = cover === 0 ? 0 : (mixed - (1 - cover) * cut.background[channel]!) / cover;
      rgba[4 * at + channel] = Math.max(0, Math.min(255, Math.round(own)));
    }
    rgba[4 * at + 3] = cut.alpha[at]!;
  }
  return rgba;
}

/** Connected pixels that are not outside. */
function islandsOf(outside: Uint8Array, width: number, height: number): number[][] {
  const seen = outside.slice();
  const islands: number[][] = [];
  for (let start = 0; start < seen.length; start++) {
    if (seen[start]) continue;
    const island = [start];
    seen[start] = 1;
    for (const at of island) {
      for (const next of neighbours(at, width, height)) {
        if (seen[next]) continue;
        seen[next] = 1;
        island.push(next);
      }
    }
    islands.push(island);
  }
  return islands;
}

function borderOf(width: number, height: number): number[] {
  const border: number[] = [];
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    if (x === 0 || y === 0 || x === width - 1 || y === height - 1) border.push(at);
  }
  return border;
}

function neighbours(at: number, width: number, height: number): number[] {
  const [x, y] = [at % width, Math.floor(at / width)];
  const found: number[] = [];
  if (x > 0) found.push(at - 1);
  if (x < width - 1) found.push(at + 1);
  if (y > 0) found.push(at - width);
  if (y < height - 1) found.push(at + width);
  return found;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}
