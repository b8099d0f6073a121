/** @file Generated squares full of gradients, textures, thin lines or text-like marks. */
import type { ExampleRandom } from '../pretrain/example-random.ts';
import { drawShapes } from './shapes.ts';
import { glyph } from './letters.ts';
import { colour, many, n, whole } from './svg-parts.ts';

/** Side of the square, in SVG units. */
const SIDE = 256;

const ground = (fill: string): string => `<rect width="${SIDE}" height="${SIDE}" fill="${fill}"/>`;

export function drawGradient(random: ExampleRandom): string {
  const stops = many(
    whole(random, 2, 4),
    (i) => `<stop offset="${n(i / 3)}" stop-color="${colour(random, [5, 95])}"/>`,
  );
  const shapes = random.chance(0.6) ? drawShapes(random) : '';
  return `<defs><linearGradient id="g" x1="${n(random.unit())}" y1="${n(random.unit())}" x2="${n(random.unit())}" y2="${n(random.unit())}">${stops}</linearGradient></defs>${ground(colour(random))}${ground('url(#g)')}${shapes}`;
}

/** Stripes, checks, dots, bricks or blades of grass. */
export function drawTexture(random: ExampleRandom): string {
  const [first, second] = [colour(random, [10, 90]), colour(random, [10, 90])];
  const step = random.between(8, 40);
  const tiles = Math.ceil(SIDE / step);
  const kind = whole(random, 0, 4);
  const tilt = ` transform="rotate(${n(random.between(-45, 45))} 128 128) translate(-64 -64) scale(1.5)"`;
  const cell = (x: number, y: number): string => {
    if (kind === 0)
      return y === 0 ? `<rect x="${n(x * step)}" width="${n(step / 2)}" height="${SIDE}"/>` : '';
    if (kind === 1)
      return (x + y) % 2 === 0
        ? `<rect x="${n(x * step)}" y="${n(y * step)}" width="${n(step)}" height="${n(step)}"/>`
        : '';
    if (kind === 2)
      return `<circle cx="${n((x + 0.5 * (y % 2)) * step)}" cy="${n(y * step)}" r="${n(step * 0.28)}"/>`;
    if (kind === 3)
      return `<rect x="${n((x + 0.5 * (y % 2)) * step)}" y="${n(y * step * 0.5)}" width="${n(step * 0.9)}" height="${n(step * 0.4)}"/>`;
    return `<path d="M${n(x * step + random.between(0, step))} ${n(y * step + step)}q${n(random.between(-6, 6))} ${n(-step)} ${n(random.between(-10, 10))} ${n(-step * 1.6)}" stroke="${second}" stroke-width="${n(random.between(1.5, 5))}" fill="none"/>`;
  };
  return `${ground(first)}<g fill="${second}"${tilt}>${many(tiles, (y) => many(tiles, (x) => cell(x, y)))}</g>`;
}

export function drawLines(random: ExampleRandom): string {
  const ink = colour(random, [5, 95]);
  return (
    ground(colour(random, [5, 95])) +
    many(whole(random, 4, 20), () => {
      const [x, y, angle, length] = [
        random.between(0, SIDE),
        random.between(0, SIDE),
        random.between(0, Math.PI),
        random.between(30, 300),
      ];
      return `<path d="M${n(x)} ${n(y)}l${n(length * Math.cos(angle))} ${n(length * Math.sin(angle))}" stroke="${random.chance(0.7) ? ink : colour(random)}" stroke-width="${n(random.between(1, 6))}"/>`;
    })
  );
}

export function drawText(random: ExampleRandom): string {
  const unit = random.between(2.2, 6);
  const [columns, rows] = [Math.floor(SIDE / (unit * 5.5)), Math.floor(SIDE / (unit * 9))];
  const [ink, line] = [
    colour(random, random.chance(0.5) ? [5, 30] : [80, 100]),
    unit * random.between(0.5, 1),
  ];
  return (
    ground(colour(random, [30, 75])) +
    many(rows, (row) =>
      many(columns, (column) =>
        random.chance(0.15)
          ? ''
          : glyph(random, column * unit * 5.5 + 4, row * unit * 9 + 6, unit, ink, line),
      ),
    )
  );
}
