/**
 * @file A card's curve as a PNG, as Slack shows no vector graphics. No letters in it: machines without fonts draw
 * them as boxes, so what the axes mean stands in the image's title.
 */
import sharp from 'sharp';
import type { Card } from '../../commands/card.ts';

export type Chart = NonNullable<Card['chart']>;

const WIDTH = 640;
const HEIGHT = 200;
const PAD = 12;

/** `loss: 0.26 at 5 → 0.05 at 200`, for the title and for people who cannot see the curve. */
export function chartWords({ label, points }: Chart): string {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return label;
  const number = (value: number) => String(Number(value.toPrecision(3)));
  return `${label}: ${number(first.y)} at ${number(first.x)} → ${number(last.y)} at ${number(last.x)}`;
}

/** PNG, 640×200 at double density. */
export async function drawChart({ points }: Chart): Promise<Buffer> {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(0, ...ys), Math.max(...ys)];
  const across = (x: number) => PAD + ((x - left) / (right - left || 1)) * (WIDTH - 2 * PAD);
  const up = (y: number) => HEIGHT - PAD - ((y - low) / (high - low || 1)) * (HEIGHT - 2 * PAD);
  const path = points.map(({ x, y }) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`);
  const lines = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = (PAD + part * (HEIGHT - 2 * PAD)).toFixed(1);
    return `<line x1="${PAD}" x2="${WIDTH - PAD}" y1="${y}" y2="${y}" stroke="#e4e2e8" stroke-width="1"/>`;
  });
  const area = `${across(left).toFixed(1)},${HEIGHT - PAD} ${path.join(' ')} ${across(right).toFixed(1)},${HEIGHT - PAD}`;
  const [endX, endY] = path.at(-1)!.split(',');
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">` +
    `<rect width="100%" height="100%" fill="#ffffff"/>${lines.join('')}` +
    `<polygon points="${area}" fill="#7c4dbd" fill-opacity="0.12"/>` +
    `<polyline points="${path.join(' ')}" fill="none" stroke="#7c4dbd" stroke-width="2.5" stroke-linejoin="round" stroke-linecap="round"/>` +
    `<circle cx="${endX}" cy="${endY}" r="4.5" fill="#7c4dbd"/></svg>`;
  return sharp(Buffer.from(svg), { density: 144 }).png().toBuffer();
}
