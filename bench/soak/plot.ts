/** @file A plot of measured series over time, as SVG: a row for each, from zero. */
import type { Sample } from './sample.ts';

const [WIDTH, ROW, LEFT, GAP] = [720, 64, 190, 12];

export function plot(samples: readonly Sample[], names: readonly string[]): string {
  const last = samples.at(-1)?.['at'] ?? 1;
  const rows = names.map((name, n) => {
    const points = samples.flatMap(({ at = 0, [name]: value }) =>
      value === undefined ? [] : [{ at, value }],
    );
    const most = Math.max(1, ...points.map(({ value }) => value));
    const top = n * (ROW + GAP) + GAP;
    const line = points.map(({ at, value }) => {
      const x = LEFT + (at / last) * (WIDTH - LEFT - GAP);
      return `${x.toFixed(1)},${(top + ROW - (value / most) * ROW).toFixed(1)}`;
    });
    return [
      `<text x="${GAP}" y="${top + 16}">${name.replace('&', '&amp;')}</text>`,
      `<text x="${GAP}" y="${top + 34}" fill="#666">up to ${Math.round(most / 1024 ** 2)} MiB</text>`,
      `<line x1="${LEFT}" x2="${WIDTH - GAP}" y1="${top + ROW}" y2="${top + ROW}" stroke="#bbb"/>`,
      `<polyline points="${line.join(' ')}" fill="none" stroke="#2563eb" stroke-width="1.5"/>`,
    ].join('');
  });
  const height = names.length * (ROW + GAP) + 3 * GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...rows,
    `<text x="${LEFT}" y="${height - GAP}" fill="#666">0</text>`,
    `<text x="${WIDTH - GAP}" y="${height - GAP}" fill="#666" text-anchor="end">${Math.round(last * 60)} min</text>`,
    '</svg>\n',
  ].join('\n');
}
