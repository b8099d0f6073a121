/** @file A picture file to start drawing from. */
import { basename } from 'node:path';
import type { NoiseSource } from '../gpu-worker/sampling/noise.ts';
import { fittedMask, fittedPixels, surrounded } from '../gpu-worker/sampling/part-of-picture.ts';
import { steerBy, type Steer } from '../gpu-worker/sampling/steering.ts';
import type {
  DrawnPicture,
  DrawRequest,
  StartPicture,
  TextToImage,
} from '../gpu-worker/sampling/text-to-image.ts';
import { repeated } from '../core/concatenated.ts';
import { KronaError } from '../core/errors.ts';
import { areaOf, AREAS, type PictureArea } from '../core/pictures/area.ts';
import { Picture } from '../core/pictures/picture.ts';
import type { ModelCard } from '../core/settings/model-card.ts';

/** How every picture of a set begins with `--image`. @throws KronaError IMAGE_INVALID */
export async function imageStart(
  painter: TextToImage,
  { width, height, count, noise }: DrawRequest,
  { path, strength }: { readonly path: string; readonly strength: number },
  source: NoiseSource,
): Promise<StartPicture> {
  const pixels = await pixelsOf(path, { width, height }, 'fill');
  return startOf(painter, { width, height, pixels }, { strength }, { count, noise, source });
}

interface RunNoise extends Pick<DrawRequest, 'count' | 'noise'> {
  readonly source: NoiseSource;
}

async function startOf(
  painter: TextToImage,
  picture: DrawnPicture,
  how: Parameters<TextToImage['startFrom']>[1],
  { count, noise, source }: RunNoise,
): Promise<StartPicture> {
  // With torch's noise as diffusers does it: one of the VAE's latents, not their mean.
  const start = await painter.startFrom(picture, how, noise === 'torch' ? source : undefined);
  return { ...start, latents: repeated(start.latents, count) };
}

/** What pictures are drawn more like, and less like. @throws KronaError IMAGE_INVALID */
export function steerOf(
  painter: TextToImage,
  { width, height }: DrawRequest,
  liked: readonly string[],
  disliked: readonly string[],
): Promise<Steer> {
  return steerBy({ liked, disliked }, async (path) => {
    const pixels = await pixelsOf(path, { width, height }, 'cover');
    return painter.latentsOf({ width, height, pixels });
  });
}

/** A picture file's pixels in a size: stretched (`fill`) or cut (`cover`) to it. */
async function pixelsOf(
  path: string,
  { width, height }: { readonly width: number; readonly height: number },
  fit: 'fill' | 'cover',
): Promise<Uint8Array> {
  const { data } = await readPicture(path, (picture) =>
    picture.render((image) =>
      image
        .rotate()
        .toColourspace('srgb')
        // As training does: what is hidden under transparency is often black.
        .flatten({ background: 'white' })
        .resize(width, height, { fit, kernel: 'lanczos3' })
        .raw(),
    ),
  );
  return data;
}

/** @throws KronaError IMAGE_INVALID when the file is not a picture */
async function readPicture<T>(path: string, use: (picture: Picture) => Promise<T> | T): Promise<T> {
  try {
    return await use(await Picture.open(path, basename(path)));
  } catch (cause) {
    throw cause instanceof KronaError && cause.code.startsWith('PHOTO_')
      ? new KronaError('IMAGE_INVALID', cause.message, { cause })
      : cause;
  }
}

/** The part of `--image` that `--mask` says, by a file or a word. @throws KronaError IMAGE_INVALID, MASK_* */
export function imagePart(image: string, mask: string): Promise<PictureArea> {
  const named = (path: string) => ({ name: basename(path), source: path });
  const word = AREAS.find((area) => area === mask);
  return readPicture(image, () => areaOf(named(image), word ?? named(mask)));
}

/** A part as the start of a run, and what puts the rest of the picture around each one that was drawn. */
export async function partStart(
  painter: TextToImage,
  { width, height, count, noise }: DrawRequest,
  { picture, mask: part }: PictureArea,
  strength: number,
  source: NoiseSource,
) {
  const size = { width, height };
  const [pixels, mask] = [await fittedPixels(picture, size), await fittedMask(part, size)];
  const start = await startOf(painter, { ...size, pixels }, { strength, mask }, { count, noise, source });
  return { start, around: (drawn: DrawnPicture) => surrounded(drawn, pixels, mask) };
}

/** Width and height of a picture file. @throws KronaError IMAGE_INVALID */
export const shapeOfImage = (path: string): Promise<{ readonly width: number; readonly height: number }> =>
  readPicture(path, (picture) => picture);

/** Width and height with the shape of a picture and at most the model's own area, in sides that the model can draw. */
export function sizeLike(
  { width, height }: { readonly width: number; readonly height: number },
  { nativeSize, sizeMultiple }: ModelCard,
) {
  const scale = Math.min(1, nativeSize / Math.sqrt(width * height));
  const side = (pixels: number): number =>
    Math.max(1, Math.floor((pixels * scale) / sizeMultiple)) * sizeMultiple;
  return { width: side(width), height: side(height) };
}
