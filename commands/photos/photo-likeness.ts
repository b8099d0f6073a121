/**
 * @file Finds near-duplicates among photos: the same image saved again, smaller, or in another quality. A photo's print
 * is its brightness gradient (dHash: is a pixel of a 9×8 thumbnail darker than its right neighbour?) and its 8×8
 * colours. Both must agree, because flat images share gradients and similar scenes share colours.
 */
import { at } from '../../core/at.ts';
import { Picture } from '../../core/pictures/picture.ts';

export interface PhotoPrint {
  /** 64 bits of gradient. */
  readonly gradient: bigint;
  /** 8×8 RGB, 192 bytes. */
  readonly colours: Uint8Array;
}

/** Most gradient bits that encoding again or resizing flips. */
const MOST_BITS = 6;
/** Largest mean difference of the 8×8 colours, of 255, that encoding again causes. */
const MOST_COLOUR = 8;

/** Returns the print of an encoded image. */
export async function photoPrint(bytes: Uint8Array): Promise<PhotoPrint> {
  const photo = await Picture.open(bytes, 'A photo');
  const small = async (width: number, height: number, grey: boolean) => {
    const { data } = await photo.render((image) => {
      const flat = image
        .flatten({ background: '#808080' })
        .toColourspace('srgb')
        .resize(width, height, { fit: 'fill' });
      return (grey ? flat.greyscale() : flat.removeAlpha()).raw();
    });
    return data;
  };
  const [grey, colours] = await Promise.all([small(9, 8, true), small(8, 8, false)]);
  let gradient = 0n;
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++)
      gradient = (gradient << 1n) | (grey.readUInt8(y * 9 + x) < grey.readUInt8(y * 9 + x + 1) ? 1n : 0n);
  return { gradient, colours };
}

/** Whether people would call two photos the same. */
export function looksTheSame(a: PhotoPrint, b: PhotoPrint): boolean {
  let bits = 0;
  for (let differing = a.gradient ^ b.gradient; differing !== 0n; differing &= differing - 1n) bits++;
  if (bits > MOST_BITS) return false;
  const difference = a.colours.reduce((sum, value, i) => sum + Math.abs(value - at(b.colours, i)), 0);
  return difference / a.colours.length <= MOST_COLOUR;
}
