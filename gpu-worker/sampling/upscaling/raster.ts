/** @file Pictures that can be transparent, as pixels and as files. */
import { at } from '../../../core/at.ts';
import { fromPixels } from '../../../core/pictures/encode.ts';
import { checkEnlarged, type Enlargement } from '../../../core/pictures/enlarged-size.ts';
import { Picture } from '../../../core/pictures/picture.ts';
import type { DrawnPicture } from '../text-to-image.ts';

/** RGB or RGBA, 8 bits a channel, rows from the top. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly pixels: Uint8Array;
}

/**
 * The pixels of a picture file to enlarge, upright, with its transparency.
 *
 * @param source path or bytes
 * @param name for messages
 * @throws KronaError PHOTO_*, UPSCALE_TOO_LARGE
 */
export async function rasterOf(
  source: string | Uint8Array,
  name: string,
  times: Enlargement,
): Promise<Raster> {
  const picture = await Picture.open(source, name);
  checkEnlarged(picture, times, name);
  const { data, info } = await picture.render((image) =>
    image.rotate().toColourspace('srgb').raw({ depth: 'uchar' }),
  );
  const [channels, size] = [info.channels, { width: info.width, height: info.height }];
  if (channels === 3 || channels === 4) return { ...size, channels, pixels: data };
  // Grey, with or without transparency.
  const transparent = channels === 2;
  const wide = transparent ? 4 : 3;
  const pixels = Uint8Array.from({ length: wide * size.width * size.height }, (_, i) => {
    const [place, c] = [Math.floor(i / wide), i % wide];
    return at(data, place * channels + (c === 3 ? 1 : 0));
  });
  return { ...size, channels: wide, pixels };
}

/** @param level of compression, 0 to 9 */
export const encodeRaster = ({ pixels, ...raw }: Raster, level = 6): Promise<Buffer> =>
  fromPixels(pixels, raw).png({ compressionLevel: level }).toBuffer();

/** As people see it on a white page. */
export function onWhite({ width, height, channels, pixels }: Raster): DrawnPicture {
  if (channels === 3) return { width, height, pixels };
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < rgb.length; i++) {
    const place = 4 * Math.floor(i / 3);
    const share = at(pixels, place + 3) / 255;
    rgb[i] = Math.round(share * at(pixels, place + (i % 3)) + (1 - share) * 255);
  }
  return { width, height, pixels: rgb };
}
