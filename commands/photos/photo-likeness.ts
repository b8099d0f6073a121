/**
 * @file Tells near-duplicates among photos: the same picture saved again, smaller, or in another quality.
 * A photo's print is its brightness gradient (dHash: is a pixel of a 9×8 thumbnail darker than its right
 * neighbour?) and the 8×8 colours; both must agree, as flat pictures share gradients and similar scenes share colours.
 */
import sharp from 'sharp';

export interface PhotoPrint {
  /** 64 bits of gradient. */
  readonly gradient: bigint;
  /** 8×8 RGB, 192 bytes. */
  readonly colours: Uint8Array;
}

/** Gradient bits that re-encoding or resizing may flip. */
const MOST_BITS = 6;
/** Mean difference of the 8×8 colours, of 255, that re-encoding may cause. */
const MOST_COLOUR = 8;

/** The print of an encoded picture. */
export async function photoPrint(bytes: Uint8Array): Promise<PhotoPrint> {
  const small = sharp(bytes).flatten({ background: '#808080' }).toColourspace('srgb');
  const [grey, colours] = await Promise.all([
    small.clone().resize(9, 8, { fit: 'fill' }).greyscale().raw().toBuffer(),
    small.clone().resize(8, 8, { fit: 'fill' }).removeAlpha().raw().toBuffer(),
  ]);
  let gradient = 0n;
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++)
      gradient = (gradient << 1n) | (grey[y * 9 + x]! < grey[y * 9 + x + 1]! ? 1n : 0n);
  return { gradient, colours };
}

/** True when two prints are of what people would call the same photo. */
export function looksTheSame(a: PhotoPrint, b: PhotoPrint): boolean {
  let bits = 0;
  for (let differing = a.gradient ^ b.gradient; differing !== 0n; differing &= differing - 1n) bits++;
  if (bits > MOST_BITS) return false;
  const difference = a.colours.reduce((sum, value, i) => sum + Math.abs(value - b.colours[i]!), 0);
  return difference / a.colours.length <= MOST_COLOUR;
}
