/**
 * @file Draws curves as a PNG for a message, below one another: the points faint, their running mean strong. It has no letters, as machines
 * without fonts draw them as boxes.
 */
import type { CardChart, Points } from '../commands/card.ts';
import { drawSvg } from '../core/pictures/encode.ts';

type Curve = Pick<CardChart, 'label' | 'points'>;

const WIDTH = 720;
const HEIGHT = 200;
const MARGIN = 14;

/** Colours of a platform's messages. */
export interface Palette {
  readonly ground: string;
  readonly grid: string;
  readonly line: string;
}

const number = (value: number): string => String(Number(value.toPrecision(3)));

/** Running mean over about a tenth of the points: a single step's loss says little, as its timesteps are random. */
function smoothed(values: readonly number[]): number[] {
  const reach = Math.max(1, Math.round(values.length / 20));
  return values.map((_, at) => {
    const near = values.slice(Math.max(0, at - reach), at + reach + 1);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
}

function curveWords({ label, points }: Curve): string {
  const means = smoothed(points.map(({ y }) => y));
  const value = (at: number) => `${number(means.at(at) ?? NaN)} at ${number(points.at(at)?.x ?? NaN)}`;
  return `${label}: ${value(0)} → ${value(-1)}`;
}

/** Curves in words, for people who can't see them and beside them for all: `loss: 0.26 at 5 → 0.05 at 200`. */
export function chartWords(charts: readonly CardChart[]): string {
  const curves = charts.flatMap((chart) => [chart, ...(chart.beside ? [chart.beside] : [])]);
  return curves.map(curveWords).join(' · ');
}

/** @param charts - each with two points or more */
export function drawCharts(charts: readonly CardChart[], palette: Palette): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT * charts.length}">
    <rect width="100%" height="100%" fill="${palette.ground}"/>${charts
      .map((chart, place) => `<g transform="translate(0 ${place * HEIGHT})">${panel(chart, palette)}</g>`)
      .join('')}</svg>`;
  return drawSvg(svg);
}

function panel({ points, beside }: CardChart, { grid, line }: Palette): string {
  const all = [...points, ...(beside?.points ?? [])];
  const xs = all.map(({ x }) => x);
  const ys = all.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const px = (x: number) => MARGIN + ((x - left) / (right - left || 1)) * (WIDTH - 2 * MARGIN);
  const py = (y: number) => HEIGHT - MARGIN - ((y - low) / (high - low || 1)) * (HEIGHT - 2 * MARGIN);
  const path = (of: Points, values: readonly number[]) =>
    of
      .map(({ x }, at) => `${at === 0 ? 'M' : 'L'}${px(x).toFixed(1)} ${py(values[at] ?? low).toFixed(1)}`)
      .join('');
  const lines = [0, 1, 2, 3, 4]
    .map((n) => MARGIN + (n / 4) * (HEIGHT - 2 * MARGIN))
    .map((y) => `<line x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${y}" y2="${y}" stroke="${grid}"/>`)
    .join('');
  const values = points.map(({ y }) => y);
  const second = beside?.points ?? [];
  const dashed = path(
    second,
    second.map(({ y }) => y),
  );
  return `${lines}
    <path d="${path(points, values)}" fill="none" stroke="${line}" stroke-opacity="0.35" stroke-width="1.5"/>
    <path d="${path(points, smoothed(values))}" fill="none" stroke="${line}" stroke-width="3" stroke-linejoin="round"/>
    ${dashed === '' ? '' : `<path d="${dashed}" fill="none" stroke="${line}" stroke-width="2" stroke-dasharray="6 5"/>`}`;
}
