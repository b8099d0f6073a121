/** @file A picture of which a part is drawn anew: brought to the size of a run, and put together again afterwards. */
import { at } from '../../core/at.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { softened, widened } from '../../core/pictures/soft-mask.ts';
import type { DrawnPicture } from './text-to-image.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** RGB of a picture that fills a size, cut in the middle where the shape differs; what is transparent is white. */
export async function fittedPixels(png: Uint8Array, { width, height }: Size): Promise<Uint8Array> {
  const picture = await Picture.open(png, 'The picture');
  const { data } = await picture.render((image) =>
    image
      .resize(width, height, { fit: 'cover', kernel: 'lanczos3' })
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .raw(),
  );
  return data;
}

/** A mask brought to a size in the same way, 8 bits a pixel. */
export async function fittedMask(png: Uint8Array, { width, height }: Size): Promise<Uint8Array> {
  const mask = await Picture.open(png, 'The mask');
  const { data } = await mask.render((image) =>
    image
      .flatten({ background: 'black' })
      .resize(width, height, { fit: 'cover', kernel: 'linear' })
      .toColourspace('b-w')
      .extractChannel(0)
      .raw({ depth: 'uchar' }),
  );
  return data;
}

/** How far a mask's edge is softened, as a standard deviation in pixels: half of a square of latents. */
const SOFT = 4;
/** From this value on, of 255, a pixel is drawn anew. */
const HALF = 128;
/**
 * A drawn picture with the original around the mask, as the VAE gives nothing back exactly; the edge is soft and outside of
 * the mask.
 *
 * @param original RGB, as large
 */
export async function surrounded(
  drawn: DrawnPicture,
  original: Uint8Array,
  mask: Uint8Array,
): Promise<DrawnPicture> {
  const { width, height } = drawn;
  const size = { width, height };
  const white = mask.map((value) => (value >= HALF ? 255 : 0));
  const cover = await softened({ ...size, mask: await widened({ ...size, mask: white }, SOFT) }, SOFT);
  const pixels = drawn.pixels.map((value, i) => {
    const place = Math.floor(i / 3);
    const share = at(white, place) > 0 ? 1 : at(cover, place) / 255;
    return Math.round(share * value + (1 - share) * at(original, i));
  });
  return { width, height, pixels };
}
