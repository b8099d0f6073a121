/**
 * @file Cuts the subject of a picture out of a plain background: a flood fill from the border, with soft edges. Used for
 * emoji with a transparent background, and for masks of photos. It uses no model, so the background must have one colour.
 */

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, rows from the top. */
  readonly pixels: Uint8Array;
}

/** Red, green and blue, 0 to 255. */
type Colour = readonly [number, number, number];

interface CutOut {
  /** Opacity of each pixel, 0 (background) to 255. */
  readonly alpha: Uint8Array;
  /** The background's colour, 0 to 255. */
  readonly background: Colour;
}

/**
 * A pixel is background up to this sum of its channels' differences. More than flat art needs (36), because generated
 * pictures are grainy.
 */
const TOLERANCE = 60;
/** An island, other than the largest, whose pixels all differ less than this many times the tolerance is a stain. */
const STAIN = 3;
/** Share of the border that must have the background's colour. */
const PLAIN = 0.7;

/** Returns null when the border has more than one colour. */
export function cutOut({ width, height, pixels }: RgbPicture, tolerance = TOLERANCE): CutOut | null {
  const border = borderOf(width, height);
  const colours = border.map((at) => colourAt(pixels, at));
  const background: Colour = [
    median(colours.map(([red]) => red)),
    median(colours.map(([, green]) => green)),
    median(colours.map(([, , blue]) => blue)),
  ];
  const distance = (at: number): number => {
    const [red, green, blue] = colourAt(pixels, at);
    return Math.abs(red - background[0]) + Math.abs(green - background[1]) + Math.abs(blue - background[2]);
  };
  const seeds = border.filter((at) => distance(at) <= tolerance);
  if (seeds.length < PLAIN * border.length) return null;

  const outside = new Uint8Array(width * height);
  for (const at of seeds) outside[at] = 1;
  // Grows while it is read, until the fill has nowhere to go.
  for (const at of seeds)
    for (const next of neighbours(at, width, height)) {
      if (outside[next] || distance(next) > tolerance) continue;
      outside[next] = 1;
      seeds.push(next);
    }
  const islands = islandsOf(outside, width, height).sort((a, b) => b.length - a.length);
  for (const island of islands.slice(1))
    if (island.every((at) => distance(at) < STAIN * tolerance)) for (const at of island) outside[at] = 1;
  const alpha = outside.map((out) => (out ? 0 : 255));
  // Pixels along the edge are mixtures of the background and the subject.
  for (let at = 0; at < alpha.length; at++) {
    const around = neighbours(at, width, height);
    if (outside[at] || !around.some((next) => outside[next])) continue;
    const inside = around.flatMap((next) => [next, ...neighbours(next, width, height)]);
    const furthest = Math.max(distance(at), ...inside.map(distance));
    alpha[at] = Math.round((255 * distance(at)) / furthest);
  }
  return { alpha, background };
}

/** Returns RGBA, 8 bits. The background's share is removed from the colours of the edge, so no fringe is left. */
export function withoutBackground({ width, height, pixels }: RgbPicture, cut: CutOut): Uint8Array {
  const rgba = new Uint8Array(4 * width * height);
  for (const [at, alpha] of cut.alpha.entries()) {
    const cover = alpha / 255;
    const [red, green, blue] = colourAt(pixels, at);
    const own = (mixed: number, background: number): number =>
      cover === 0 ? 0 : Math.max(0, Math.min(255, Math.round((mixed - (1 - cover) * background) / cover)));
    rgba[4 * at] = own(red, cut.background[0]);
    rgba[4 * at + 1] = own(green, cut.background[1]);
    rgba[4 * at + 2] = own(blue, cut.background[2]);
    rgba[4 * at + 3] = alpha;
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

/** @throws Error for a pixel outside the picture */
function colourAt(pixels: Uint8Array, at: number): Colour {
  const [red, green, blue] = [pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2]];
  if (red === undefined || green === undefined || blue === undefined)
    throw new Error(`There is no pixel ${at}.`);
  return [red, green, blue];
}

/** The upper median; NaN without values. */
function median(values: number[]): number {
  return values.sort((a, b) => a - b).at(values.length >> 1) ?? NaN;
}
