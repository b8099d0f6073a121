/** @file Sheets of labelled pictures, and loss curves, as PNG and SVG. PNG by sharp. */
import { at } from '../../core/at.ts';
import sharp from 'sharp';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';

export interface SheetPicture {
  /** [3, height, width] in [-1, 1]; all of a sheet have the same size. */
  readonly image: Float32Array;
  readonly label: string;
  /** Shown in green or red below the picture, if it was judged. */
  readonly right?: boolean;
}

const gap = 6;
const labelLines = 3;
const labelHeight = labelLines * 12 + 6;

/** A grid of pictures, each with a label of up to three lines below it. */
export async function contactSheet(
  pictures: readonly SheetPicture[],
  {
    columns = 8,
    size = 128,
    height: side = size,
    title = '',
  }: { columns?: number; size?: number; height?: number; title?: string } = {},
): Promise<Buffer> {
  const top = title === '' ? gap : 28;
  const [cellWidth, cellHeight] = [size + gap, side + labelHeight + gap];
  const width = Math.max(1, Math.min(columns, pictures.length)) * cellWidth + gap;
  const height = Math.ceil(pictures.length / columns) * cellHeight + top;
  const spots = pictures.map((picture, index) => ({
    picture,
    left: gap + (index % columns) * cellWidth,
    top: top + Math.floor(index / columns) * cellHeight,
  }));
  const labels = spots.flatMap(({ picture, left, top: y }) =>
    breakLabel(picture.label, Math.floor(size / 5.6)).map(
      (line, row) =>
        `<text x="${left}" y="${y + side + 11 + row * 12}" fill="${colourOf(picture.right)}">${escapeXml(line)}</text>`,
    ),
  );
  const heading = `<text x="${gap}" y="19" font-size="15" font-weight="bold">${escapeXml(title)}</text>`;
  const overlay = svg(width, height, heading + labels.join(''));
  return sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([
      ...spots.map(({ picture, left, top: y }) => ({
        input: Buffer.from(toBytes(picture.image).buffer),
        raw: { width: size, height: picture.image.length / 3 / size, channels: 3 as const },
        left,
        top: y,
      })),
      { input: Buffer.from(overlay), left: 0, top: 0 },
    ])
    .png({ palette: true, quality: 90 })
    .toBuffer();
}

export interface Curve {
  readonly name: string;
  /** [step, value], steps ascending; values of zero or less are skipped. */
  readonly points: readonly (readonly [number, number])[];
}

/** Curves over steps as SVG, with a logarithmic value axis and a running mean over the raw line. */
export function lossCurve(curves: readonly Curve[], title = 'loss'): string {
  const [width, height, left, bottom] = [760, 400, 64, 36];
  const drawn = curves.map(({ name, points }) => ({ name, points: points.filter(([, value]) => value > 0) }));
  const all = drawn.flatMap(({ points }) => points);
  const steps = all.map(([step]) => step);
  const logs = all.map(([, value]) => Math.log10(value));
  const range = (values: readonly number[], pad: number): [number, number] => {
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    return Number.isFinite(low) ? [low - pad, Math.max(high, low + 1e-9) + pad] : [0, 1];
  };
  const [firstStep, lastStep] = range(steps, 0);
  const [low, high] = range(logs, 0.02);
  const x = (step: number) => left + ((step - firstStep) / (lastStep - firstStep)) * (width - left - 16);
  const y = (log: number) => height - bottom - ((log - low) / (high - low)) * (height - bottom - 40);
  const path = (points: readonly (readonly [number, number])[]) =>
    points.map(([step, value]) => `${x(step).toFixed(1)},${y(Math.log10(value)).toFixed(1)}`).join(' ');

  const ticks = Array.from({ length: 6 }, (_, index) => index / 5).map((share) => {
    const [log, step] = [low + share * (high - low), firstStep + share * (lastStep - firstStep)];
    const [ty, tx] = [y(log), x(step)];
    return (
      `<line x1="${left}" x2="${width - 16}" y1="${ty}" y2="${ty}" stroke="#e3e6eb"/>` +
      `<text x="${left - 6}" y="${ty + 4}" text-anchor="end">${(10 ** log).toPrecision(3)}</text>` +
      `<text x="${tx}" y="${height - bottom + 18}" text-anchor="middle">${Math.round(step)}</text>`
    );
  });
  const lines = drawn.map(({ name, points }, index) => {
    const colour = at(curveColours, index % curveColours.length);
    return (
      `<polyline points="${path(points)}" fill="none" stroke="${colour}" stroke-opacity="0.25"/>` +
      `<polyline points="${path(runningMean(points))}" fill="none" stroke="${colour}" stroke-width="2"/>` +
      `<text x="${width - 20}" y="${46 + index * 15}" text-anchor="end" fill="${colour}">${escapeXml(name)}</text>`
    );
  });
  const background = `<rect width="${width}" height="${height}" fill="#ffffff"/>`;
  const heading = `<text x="${left}" y="22" font-size="15" font-weight="bold">${escapeXml(title)}</text>`;
  return svg(width, height, background + heading + ticks.join('') + lines.join(''));
}

/** An SVG text as PNG. */
export async function renderSvg(text: string): Promise<Buffer> {
  return sharp(Buffer.from(text)).png().toBuffer();
}

const curveColours = ['#2f6feb', '#d1481f', '#2a8f4d', '#8a3fc4'];

/** Running mean over a fiftieth of the curve. */
function runningMean(points: readonly (readonly [number, number])[]): [number, number][] {
  const length = Math.max(1, Math.round(points.length / 50));
  let sum = 0;
  return points.map(([step, value], index) => {
    sum += value - (index >= length ? at(points, index - length)[1] : 0);
    return [step, sum / Math.min(index + 1, length)];
  });
}

function breakLabel(label: string, length: number): string[] {
  const lines = [''];
  for (const word of label.split(' ')) {
    const longer = `${at(lines, -1)} ${word}`.trim();
    if (longer.length <= length || lines.at(-1) === '') lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.slice(0, labelLines);
}

function colourOf(right: boolean | undefined): string {
  return right === undefined ? '#1c2330' : right ? '#197a3d' : '#c02a1d';
}

export function svg(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="10">${content}</svg>`;
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
