/** @file Transparent pictures before and after enlarging: colours without what is hidden, and the alpha channel. */
import { at } from '../../../core/at.ts';
import type { Enlargement } from '../../../core/pictures/enlarged-size.ts';
import { REACH } from '../../models/residual-dense.ts';
import type { Raster } from './raster.ts';

/** What hidden pixels have beyond the reach of visible ones. */
const GREY = 128;

/**
 * RGB in which visible colours go on into what is hidden, as far as a network reaches: hidden pixels are often black, which
 * would darken edges.
 */
export function withoutHidden({ width, height, pixels }: Omit<Raster, 'channels'>): Uint8Array {
  const rgb = new Uint8Array(3 * width * height).fill(GREY);
  const known = new Uint8Array(width * height);
  for (let i = 0; i < known.length; i++)
    if (at(pixels, 4 * i + 3) > 0) {
      known[i] = 1;
      rgb.set(pixels.subarray(4 * i, 4 * i + 3), 3 * i);
    }
  for (let ring = 0; ring < REACH; ring++) {
    const found: number[] = [];
    for (let i = 0; i < known.length; i++) {
      if (known[i]) continue;
      const near = neighbours(i, width, height).filter((n) => known[n]);
      if (near.length === 0) continue;
      found.push(i);
      for (let c = 0; c < 3; c++)
        rgb[3 * i + c] = Math.round(near.reduce((sum, n) => sum + at(rgb, 3 * n + c), 0) / near.length);
    }
    if (found.length === 0) break;
    for (const i of found) known[i] = 1;
  }
  return rgb;
}

/**
 * The alpha channel as a grey picture, enlarged by the same network; where it is the same all around a pixel, it stays exactly so.
 *
 * @param enlarge RGB by the network
 */
export async function enlargedAlpha(
  { width, height, pixels }: Omit<Raster, 'channels'>,
  scale: Enlargement,
  enlarge: (rgb: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const alpha = Uint8Array.from({ length: width * height }, (_, i) => at(pixels, 4 * i + 3));
  const enlarged = await enlarge(
    Uint8Array.from({ length: 3 * alpha.length }, (_, i) => at(alpha, Math.floor(i / 3))),
  );
  const flat = alpha.map((value, i) =>
    neighbours(i, width, height).every((n) => at(alpha, n) === value) ? 1 : 0,
  );
  const wide = width * scale;
  return Uint8Array.from({ length: alpha.length * scale ** 2 }, (_, i) => {
    const place = Math.floor(Math.floor(i / wide) / scale) * width + Math.floor((i % wide) / scale);
    if (at(flat, place) === 1) return at(alpha, place);
    return Math.round((at(enlarged, 3 * i) + at(enlarged, 3 * i + 1) + at(enlarged, 3 * i + 2)) / 3);
  });
}

/** Places of the up to 8 pixels around one. */
function neighbours(i: number, width: number, height: number): number[] {
  const [x, y] = [i % width, Math.floor(i / width)];
  const all: number[] = [];
  for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++)
    for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++)
      if (row !== y || column !== x) all.push(row * width + column);
  return all;
}
