/** @file SVG snippets with random colours and numbers, for generated drawings. */
import type { ExampleRandom } from '../pretrain/example-random.ts';

/** A number in SVG notation. */
export const n = (value: number): string => value.toFixed(1);
/** A whole number from low to high. */
export const whole = (random: ExampleRandom, low: number, high: number): number =>
  low + Math.floor(random.unit() * (high - low + 1));
/** `count` pieces, concatenated. */
export const many = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('');

/** A random hue; `light` in percent. */
export function colour(random: ExampleRandom, light: readonly [number, number] = [25, 80]): string {
  return hsl(random.between(0, 360), random.between(15, 100), random.between(...light));
}

/** As #rrggbb, which every renderer reads. */
function hsl(hue: number, saturation: number, light: number): string {
  const a = (saturation / 100) * Math.min(light / 100, 1 - light / 100);
  const channel = (offset: number): string => {
    const k = (offset + hue / 30) % 12;
    const value = light / 100 - a * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** A plain colour, or a gradient between two, as [definition, fill]. */
export function paint(random: ExampleRandom, id: string): [string, string] {
  if (random.chance(0.6)) return ['', colour(random)];
  const stops = `<stop offset="0" stop-color="${colour(random)}"/><stop offset="1" stop-color="${colour(random)}"/>`;
  const [x, y] = [random.unit(), random.unit()];
  return [
    random.chance(0.5)
      ? `<linearGradient id="${id}" x1="${n(x)}" y1="${n(y)}" x2="${n(1 - x)}" y2="${n(1 - y)}">${stops}</linearGradient>`
      : `<radialGradient id="${id}" cx="${n(x)}" cy="${n(y)}" r="0.9">${stops}</radialGradient>`,
    `url(#${id})`,
  ];
}
