/** @file Outlines of mascots, faces and shapes as SVG paths. */
import { at } from '../../core/at.ts';
import type { ExampleRandom } from '../pretrain/example-random.ts';
import { many, n, whole } from './svg-parts.ts';

/** Held-out outlines of mascots and faces, never trained, for measuring. */
export const MEASURED_BODIES = ['cloud', 'shield', 'bean'] as const;
export const TRAINED_BODIES = ['round', 'egg', 'box', 'drop', 'blob', 'star'] as const;
export type Body = (typeof MEASURED_BODIES)[number] | (typeof TRAINED_BODIES)[number];

/** A smooth closed curve through points around the centre. @param radius by share of the turn */
function closedCurve(
  points: number,
  middle: readonly [number, number],
  radius: (turn: number) => number,
): string {
  const at = (i: number): [number, number] => {
    const turn = (i % points) / points;
    const angle = 2 * Math.PI * turn - Math.PI / 2;
    return [middle[0] + radius(turn) * Math.cos(angle), middle[1] + radius(turn) * Math.sin(angle)];
  };
  const between = (i: number): string => {
    const [[x0, y0], [x1, y1]] = [at(i), at(i + 1)];
    return `${n((x0 + x1) / 2)} ${n((y0 + y1) / 2)}`;
  };
  const curves = many(
    points,
    (i) =>
      `Q${at(i + 1)
        .map(n)
        .join(' ')} ${between(i + 1)}`,
  );
  return `M${between(0)}${curves}Z`;
}

/** An outline centred on (x, y), about `width` by `height`. */
export function bodyPath(
  body: Body,
  random: ExampleRandom,
  x: number,
  y: number,
  width: number,
  height: number,
): string {
  const [left, right, top, bottom] = [x - width / 2, x + width / 2, y - height / 2, y + height / 2];
  switch (body) {
    case 'round':
    case 'egg': {
      const lift = body === 'egg' ? height * 0.08 : 0;
      return `M${n(left)} ${n(y + lift)}C${n(left)} ${n(top - lift)} ${n(right)} ${n(top - lift)} ${n(right)} ${n(y + lift)}C${n(right)} ${n(bottom + height * 0.16)} ${n(left)} ${n(bottom + height * 0.16)} ${n(left)} ${n(y + lift)}Z`;
    }
    case 'box': {
      const r = random.between(0.05, 0.35) * Math.min(width, height);
      return `M${n(left + r)} ${n(top)}H${n(right - r)}Q${n(right)} ${n(top)} ${n(right)} ${n(top + r)}V${n(bottom - r)}Q${n(right)} ${n(bottom)} ${n(right - r)} ${n(bottom)}H${n(left + r)}Q${n(left)} ${n(bottom)} ${n(left)} ${n(bottom - r)}V${n(top + r)}Q${n(left)} ${n(top)} ${n(left + r)} ${n(top)}Z`;
    }
    case 'drop':
      return `M${n(x)} ${n(top)}C${n(x + width * 0.2)} ${n(y - height * 0.2)} ${n(right)} ${n(y)} ${n(right)} ${n(y + height * 0.15)}C${n(right)} ${n(bottom + height * 0.1)} ${n(left)} ${n(bottom + height * 0.1)} ${n(left)} ${n(y + height * 0.15)}C${n(left)} ${n(y)} ${n(x - width * 0.2)} ${n(y - height * 0.2)} ${n(x)} ${n(top)}Z`;
    case 'blob': {
      const radii = Array.from({ length: 9 }, () => random.between(0.8, 1.1));
      return closedCurve(
        9,
        [x, y],
        (turn) => (at(radii, Math.round(turn * 9) % 9) * Math.min(width, height)) / 2,
      );
    }
    case 'star': {
      const spikes = whole(random, 5, 9);
      return closedCurve(
        spikes * 2,
        [x, y],
        (turn) => (Math.round(turn * spikes * 2) % 2 === 0 ? 1.15 : 0.85) * (Math.min(width, height) / 2),
      );
    }
    case 'cloud':
      return closedCurve(
        14,
        [x, y],
        (turn) =>
          (Math.round(turn * 14) % 2 === 0 ? 1.1 : 0.9) *
          (Math.abs(Math.cos(2 * Math.PI * turn)) * 0.1 + 0.42) *
          width,
      );
    case 'shield':
      return `M${n(left)} ${n(top)}H${n(right)}V${n(y)}C${n(right)} ${n(y + height * 0.35)} ${n(x + width * 0.1)} ${n(bottom)} ${n(x)} ${n(bottom)}C${n(x - width * 0.1)} ${n(bottom)} ${n(left)} ${n(y + height * 0.35)} ${n(left)} ${n(y)}Z`;
    case 'bean':
      return `M${n(left)} ${n(y)}C${n(left)} ${n(top)} ${n(x)} ${n(top)} ${n(x + width * 0.1)} ${n(top + height * 0.1)}C${n(right + width * 0.1)} ${n(top)} ${n(right)} ${n(bottom)} ${n(x + width * 0.15)} ${n(bottom)}C${n(x - width * 0.1)} ${n(bottom)} ${n(x - width * 0.1)} ${n(bottom - height * 0.15)} ${n(x - width * 0.2)} ${n(bottom - height * 0.05)}C${n(left - width * 0.05)} ${n(bottom)} ${n(left)} ${n(y + height * 0.2)} ${n(left)} ${n(y)}Z`;
  }
}
