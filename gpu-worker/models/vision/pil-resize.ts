/**
 * @file Resizes pictures as PIL's Image.resize does, to the last bit: networks are compared on numbers that come through
 * it. Coefficients of 22 fractional bits, rounded to 8 bits between the two passes; where a picture shrinks, the filter
 * widens (Pillow's Resample.c).
 */
import { at } from '../../../core/at.ts';
import type { RgbPicture } from '../../../core/pictures/cut-out.ts';

/** PIL's name of a filter by its number, as configs give it. */
export const FILTERS = { 1: 'lanczos', 2: 'bilinear', 3: 'bicubic' } as const;
export type Filter = (typeof FILTERS)[keyof typeof FILTERS];

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Each filter's reach, and its value at a distance. */
const KERNELS: Readonly<Record<Filter, readonly [reach: number, at: (x: number) => number]>> = {
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (x) => cubic(Math.abs(x))],
  lanczos: [3, (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

/** Keys' cubic convolution with a = −0.5. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

const BITS = 22;

/** What one place of the result reads: the first sample, and the weights of it and those after it. */
interface Window {
  readonly first: number;
  readonly weights: Int32Array;
}

function windows(from: number, to: number, filter: Filter): Window[] {
  const [reach, kernel] = KERNELS[filter];
  const scale = from / to;
  const wide = Math.max(1, scale);
  const support = reach * wide;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(from, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: last - first }, (_, i) =>
      kernel((i + first - centre + 0.5) * (1 / wide)),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    const fixed = raw.map((weight) => {
      const scaled = (weight / sum) * 2 ** BITS;
      return Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
    });
    return { first, weights: Int32Array.from(fixed) };
  });
}

/**
 * Resizes in two passes, in the order that Pillow 13 takes: columns first where the height shrinks by more than twice as
 * many pixels as the width. The order shows by a few levels at sharp edges.
 *
 * @param width of the result, pixels
 * @param height of the result, pixels
 */
export function pilResize(picture: RgbPicture, width: number, height: number, filter: Filter): RgbPicture {
  const rows = (from: RgbPicture) => (width === from.width ? from : resizedRows(from, width, filter));
  const columns = (from: RgbPicture) =>
    height === from.height ? from : resizedColumns(from, height, filter);
  const [narrower, lower] = [picture.width - width, picture.height - height];
  return lower > Math.max(0, 2 * narrower) ? rows(columns(picture)) : columns(rows(picture));
}

function resizedRows({ width: from, height, pixels }: RgbPicture, width: number, filter: Filter): RgbPicture {
  const result = new Uint8Array(3 * width * height);
  for (const [column, { first, weights }] of windows(from, width, filter).entries())
    for (let row = 0; row < height; row++)
      for (let c = 0; c < 3; c++)
        result[3 * (row * width + column) + c] = weighed(pixels, 3 * (row * from + first) + c, 3, weights);
  return { width, height, pixels: result };
}

function resizedColumns(
  { width, height: from, pixels }: RgbPicture,
  height: number,
  filter: Filter,
): RgbPicture {
  const result = new Uint8Array(3 * width * height);
  const stride = 3 * width;
  for (const [row, { first, weights }] of windows(from, height, filter).entries())
    for (let i = 0; i < stride; i++)
      result[row * stride + i] = weighed(pixels, first * stride + i, stride, weights);
  return { width, height, pixels: result };
}

/** Weighted sum of samples `stride` apart, rounded and clamped to a byte. */
function weighed(pixels: Uint8Array, start: number, stride: number, weights: Int32Array): number {
  let sum = 2 ** (BITS - 1);
  for (let i = 0; i < weights.length; i++) sum += at(pixels, start + i * stride) * at(weights, i);
  return Math.min(255, Math.max(0, Math.floor(sum / 2 ** BITS)));
}
