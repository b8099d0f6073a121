/** @file Pictures that Krona made itself, as pipelines and files. */
import sharp, { type Sharp } from 'sharp';

/** Raw pixels, 8 bits a channel, rows from the top, as the start of a pipeline. */
export function fromPixels(
  pixels: Uint8Array,
  raw: { readonly width: number; readonly height: number; readonly channels: 1 | 3 | 4 },
): Sharp {
  return sharp(pixels, { raw });
}

/** @param level - of compression, 0 to 9 */
export const encodePng = (
  { width, height, pixels }: { readonly width: number; readonly height: number; readonly pixels: Uint8Array },
  level = 6,
): Promise<Buffer> =>
  fromPixels(pixels, { width, height, channels: 3 }).png({ compressionLevel: level }).toBuffer();

/** A picture enlarged to a size, as PNG. */
export const encodeEnlarged = (
  { width, height, pixels }: { readonly width: number; readonly height: number; readonly pixels: Uint8Array },
  size: { readonly width: number; readonly height: number },
): Promise<Buffer> =>
  fromPixels(pixels, { width, height, channels: 3 })
    .resize({ ...size, fit: 'fill', kernel: 'cubic' })
    .png()
    .toBuffer();

/** A picture as a small WebP of at most `side` pixels a side, enlarged smoothly where it has fewer. */
export const encodeSmall = (
  { width, height, pixels }: { readonly width: number; readonly height: number; readonly pixels: Uint8Array },
  side: number,
): Promise<Buffer> =>
  fromPixels(pixels, { width, height, channels: 3 })
    .resize({ width: side, height: side, fit: 'inside', kernel: 'cubic' })
    .webp({ quality: 70 })
    .toBuffer();

/** Draws an SVG that Krona wrote; nobody else's text may stand in it. */
export const drawSvg = (svg: string): Promise<Buffer> => sharp(Buffer.from(svg)).png().toBuffer();
