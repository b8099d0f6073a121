/** @file Charts of scores with their intervals, as SVG: a column per setting, a colour per method. */
import { at } from '../../core/at.ts';
import { escapeXml, svg } from '../pretrain/sheet.ts';
import type { Interval } from './statistics.ts';

export interface ChartSeries {
  readonly name: string;
  readonly points: readonly { readonly label: string; readonly interval: Interval }[];
}

const COLOURS = ['#2f6feb', '#d1481f', '#2a8f4d', '#8a3fc4'];
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [300, 52, 20, 44, 40];
/** Smallest width of a setting. */
const COLUMN = 66;

/** Upper bounds, pixels: average width of a title letter, and width of a key entry. */
const [TITLE_LETTER, KEY] = [9.5, 80];

/** Most steps between the ends of an axis. */
const MOST_STEPS = 6;

/** Multiples of 1, 2 or 5 times a power of ten that span all values, ascending; at least two. */
export function roundTicks(low: number, high: number): number[] {
  const power = 10 ** Math.floor(Math.log10(Math.max(high - low, 0.01) / MOST_STEPS));
  const first = (step: number): number => Math.floor(low / step);
  const last = (step: number): number => Math.max(Math.ceil(high / step), first(step) + 1);
  const step = [1, 2, 5, 10, 20]
    .map((factor) => factor * power)
    .find((each) => last(each) - first(each) <= MOST_STEPS)!;
  // Rounded, because few multiples of a tenth are exact in binary.
  return Array.from({ length: last(step) - first(step) + 1 }, (_, i) =>
    Number(((first(step) + i) * step).toPrecision(6)),
  );
}

/**
 * Points with interval bars; every series has a separate column at each of its labels.
 *
 * @param labels from left to right
 */
export function intervalChart(
  title: string,
  labels: readonly string[],
  series: readonly ChartSeries[],
): string {
  const all = series.flatMap(({ points }) => points.map(({ interval }) => interval));
  const ticks = roundTicks(
    Math.min(...all.map((interval) => interval.low)),
    Math.max(...all.map((interval) => interval.high)),
  );
  const [low, high] = [at(ticks, 0), at(ticks, -1)];
  const digits = Math.max(...ticks.map((tick) => String(tick).split('.')[1]?.length ?? 0));
  const width = Math.max(
    LEFT + labels.length * COLUMN + RIGHT,
    LEFT + Math.ceil(title.length * TITLE_LETTER) + RIGHT,
    LEFT + series.length * KEY + RIGHT,
  );
  const column = (width - LEFT - RIGHT) / labels.length;
  const y = (value: number) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const x = (label: string, place: number) =>
    LEFT + (labels.indexOf(label) + 0.5) * column + (place - (series.length - 1) / 2) * 14;
  const grid = ticks.map(
    (value) =>
      `<line x1="${LEFT}" x2="${width - 10}" y1="${y(value)}" y2="${y(value)}" stroke="#e3e6eb"/>` +
      `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(digits)}</text>`,
  );
  const names = labels.map(
    (label) =>
      `<text x="${LEFT + (labels.indexOf(label) + 0.5) * column}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escapeXml(label)}</text>`,
  );
  const drawn = series.map(({ name, points }, place) => {
    const colour = at(COLOURS, place % COLOURS.length);
    const marks = points.map(({ label, interval }) => {
      const at = x(label, place);
      return (
        `<line x1="${at}" x2="${at}" y1="${y(interval.low)}" y2="${y(interval.high)}" stroke="${colour}" stroke-width="2"/>` +
        `<circle cx="${at}" cy="${y(interval.estimate)}" r="4" fill="${colour}"/>`
      );
    });
    const key = `<text x="${LEFT + place * KEY}" y="36" fill="${colour}">● ${escapeXml(name)}</text>`;
    return marks.join('') + key;
  });
  const heading = `<text x="${LEFT}" y="18" font-size="14" font-weight="bold">${escapeXml(title)}</text>`;
  const ground = `<rect width="${width}" height="${HEIGHT}" fill="#ffffff"/>`;
  return svg(width, HEIGHT, [ground, heading, ...grid, ...names, ...drawn].join(''));
}
