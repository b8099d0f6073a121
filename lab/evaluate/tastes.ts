/** @file The hidden tastes of simulated members: how much a picture is to each, as numbers that rank pictures. */
import { cutOut } from '../../core/pictures/cut-out.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { classifierView } from './classifier.ts';
import type { Judges } from './judges.ts';

export const TASTES = ['red ground', 'flat style', 'round shape'] as const;
export type Taste = (typeof TASTES)[number];

/** Width of the border that counts as ground, pixels. */
const BORDER = 4;

/**
 * How much a picture is to a taste; only the order of pictures has a meaning.
 *
 * @param picture [3, side, side] in [-1, 1]
 */
export async function tasteScore(taste: Taste, picture: Float32Array, judges: Judges): Promise<number> {
  const { size, styles } = judges.data;
  if (taste === 'red ground') return redness(picture, size);
  if (taste === 'round shape') return roundness(picture, size);
  const { logits } = await judges.styles.classify(classifierView(picture, size));
  const flat = judges.styles.classes.indexOf(styles.find(({ word }) => word === 'flat')?.set ?? '');
  const others = logits.filter((_, n) => n !== flat);
  return (logits[flat] ?? 0) - Math.max(...others);
}

/** Mean over the border of red minus the mean of green and blue. */
function redness(picture: Float32Array, side: number): number {
  const area = side * side;
  let [sum, count] = [0, 0];
  for (let at = 0; at < area; at++) {
    const [x, y] = [at % side, Math.floor(at / side)];
    if (Math.min(x, y, side - 1 - x, side - 1 - y) >= BORDER) continue;
    const value = (channel: number): number => picture[channel * area + at] ?? 0;
    sum += value(0) - (value(1) + value(2)) / 2;
    count++;
  }
  return sum / count;
}

/** Area of the drawing over that of the smallest circle around its middle that holds it; 0 on a busy background. */
function roundness(picture: Float32Array, side: number): number {
  const cover = cutOut({ width: side, height: side, pixels: toBytes(picture) })?.alpha;
  if (!cover) return 0;
  const places = [...cover.keys()].filter((at) => (cover[at] ?? 0) > 127);
  if (places.length === 0) return 0;
  const point = (at: number): readonly [number, number] => [at % side, Math.floor(at / side)];
  const middle = [0, 1].map(
    (axis) => places.reduce((sum, at) => sum + (point(at)[axis] ?? 0), 0) / places.length,
  );
  const [cx = 0, cy = 0] = middle;
  const reach = places.reduce(
    (most, at) => Math.max(most, Math.hypot(point(at)[0] - cx, point(at)[1] - cy)),
    1,
  );
  return places.length / (Math.PI * reach ** 2);
}
