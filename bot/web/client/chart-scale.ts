/** @file Where the points of a curve stand in a drawing: axes, their running mean, paths. Pure. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export const HEIGHT = 148;
export const MARGIN = { top: 10, right: 12, bottom: 24, left: 46 };

/** Round numbers from at most `low` to at least `high`, about `count` of them. */
function ticks(low: number, high: number, count: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power * 10;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/** Exponential running mean with bias correction, so that it starts at the first value. */
function smooth(points: readonly Point[], keep = 0.7): Point[] {
  let sum = 0;
  let weight = 0;
  return points.map(({ x, y }) => {
    sum = keep * sum + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return { x, y: sum / weight };
  });
}

/** A number in few characters. */
export const short = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(0) : String(Number(value.toPrecision(3)));

export interface Drawing {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
  /** Paths of SVG: the values, their running mean, and the area below it. */
  readonly raw: string;
  readonly mean: string;
  readonly area: string;
  /** The path of a second curve; '' without one. */
  readonly beside: string;
}

/**
 * @param points - two or more, by rising x
 * @param width - of the drawing, pixels
 * @param beside - a second curve on the same axes
 */
export function drawing(points: readonly Point[], width: number, beside: readonly Point[] = []): Drawing {
  const xs = [...points, ...beside].map((point) => point.x);
  const ys = [...points, ...beside].map((point) => point.y);
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const yTicks = ticks(Math.min(0, ...ys), Math.max(...ys, 1e-6), 3);
  const [low, high] = [Math.min(...yTicks), Math.max(...yTicks)];
  const x = (value: number) =>
    MARGIN.left + ((value - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
  const y = (value: number) =>
    HEIGHT - MARGIN.bottom - ((value - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const path = (line: readonly Point[]) =>
    line
      .map((point, n) => `${n === 0 ? 'M' : 'L'}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`)
      .join('');
  const xTicks = ticks(first, last, width < 420 ? 3 : 5).filter((value) => value >= first && value <= last);
  const mean = path(smooth(points));
  const area = `${mean}L${x(last).toFixed(1)} ${y(low)}L${x(first).toFixed(1)} ${y(low)}Z`;
  return { x, y, xTicks, yTicks, raw: path(points), mean, area, beside: path(beside) };
}

/** Index of the point nearest to a place on the x axis. */
export function nearestPoint(points: readonly Point[], { x }: Drawing, at: number): number {
  const distances = points.map((point) => Math.abs(x(point.x) - at));
  return distances.indexOf(Math.min(...distances));
}
