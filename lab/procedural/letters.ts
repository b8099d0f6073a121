/** @file Letters and digits as strokes, so that no font is needed. */
import type { ExampleRandom } from '../pretrain/example-random.ts';
import { colour, many, n, whole } from './svg-parts.ts';

/** Capitals and digits as strokes in a box of 4 by 6. */
const GLYPHS =
  'M0 6L2 0L4 6M1 4H3|M0 0V6H3Q4 6 4 4.5Q4 3 3 3H0H3Q4 3 4 1.5Q4 0 3 0Z|M4 1Q3 0 2 0Q0 0 0 3Q0 6 2 6Q3 6 4 5|M0 0V6H2Q4 6 4 3Q4 0 2 0Z|M4 0H0V6H4M0 3H3|M4 0H0V6M0 3H3|M4 1Q3 0 2 0Q0 0 0 3Q0 6 2 6Q4 6 4 4V3H2|M0 0V6M4 0V6M0 3H4|M2 0V6M1 0H3M1 6H3|M4 0V4Q4 6 2 6Q0 6 0 4|M0 0V6M4 0L0 3L4 6|M0 0V6H4|M0 6V0L2 3L4 0V6|M0 6V0L4 6V0|M2 0Q0 0 0 3Q0 6 2 6Q4 6 4 3Q4 0 2 0Z|M0 6V0H3Q4 0 4 1.5Q4 3 3 3H0|M2 0Q0 0 0 3Q0 6 2 6Q4 6 4 3Q4 0 2 0ZM2.5 4.5L4 6|M0 6V0H3Q4 0 4 1.5Q4 3 3 3H0M2 3L4 6|M4 1Q3 0 2 0Q0 0 0 1.5Q0 3 2 3Q4 3 4 4.5Q4 6 2 6Q1 6 0 5|M0 0H4M2 0V6|M0 0V4Q0 6 2 6Q4 6 4 4V0|M0 0L2 6L4 0|M0 0L1 6L2 2L3 6L4 0|M0 0L4 6M4 0L0 6|M0 0L2 3L4 0M2 3V6|M0 0H4L0 6H4|M2 0Q0 0 0 3Q0 6 2 6Q4 6 4 3Q4 0 2 0ZM1 5L3 1|M1 1L2 0V6M1 6H3|M0 1Q1 0 2 0Q4 0 4 1.5Q4 3 0 6H4|M0 1Q1 0 2 0Q4 0 4 1.5Q4 3 2 3Q4 3 4 4.5Q4 6 2 6Q1 6 0 5|M3 6V0L0 4H4|M4 0H0V3H2Q4 3 4 4.5Q4 6 2 6Q1 6 0 5|M3 0Q0 1 0 4Q0 6 2 6Q4 6 4 4.5Q4 3 2 3Q0 3 0 4|M0 0H4L1 6|M2 0Q0 0 0 1.5Q0 3 2 3Q4 3 4 4.5Q4 6 2 6Q0 6 0 4.5Q0 3 2 3Q4 3 4 1.5Q4 0 2 0Z|M4 2Q4 0 2 0Q0 0 0 1.5Q0 3 2 3Q4 3 4 2Q4 5 1 6'.split(
    '|',
  );

/** A random letter with its top left at (x, y); `unit` is a sixth of its height in pixels. */
export function glyph(
  random: ExampleRandom,
  x: number,
  y: number,
  unit: number,
  ink: string,
  line: number,
): string {
  return `<path transform="translate(${n(x)} ${n(y)}) scale(${unit.toFixed(2)})" d="${random.pick(GLYPHS)}" fill="none" stroke="${ink}" stroke-width="${(line / unit).toFixed(2)}" stroke-linecap="round" stroke-linejoin="round"/>`;
}

/** One to four letters, some on a plate. */
export function drawLetters(random: ExampleRandom): string {
  const count = whole(random, 1, 4);
  const unit = 216 / count / 5;
  const plate = random.chance(0.5)
    ? `<rect x="8" y="${n(128 - 3.8 * unit)}" width="240" height="${n(7.6 * unit)}" rx="${n(random.between(0, 40))}" fill="${colour(random)}"/>`
    : '';
  const ink = colour(random, plate ? [85, 100] : [5, 60]);
  const line = unit * random.between(0.4, 1.2);
  return (
    plate + many(count, (i) => glyph(random, 20 + i * unit * 5 + unit * 0.5, 128 - 3 * unit, unit, ink, line))
  );
}
