/** @file A picture file to start drawing from. */
import { basename } from 'node:path';
import type { NoiseSource } from '../gpu-worker/sampling/noise.ts';
import type { DrawRequest, StartPicture, TextToImage } from '../gpu-worker/sampling/text-to-image.ts';
import { KronaError } from '../core/errors.ts';
import { Picture } from '../core/pictures/picture.ts';
import type { ModelCard } from '../core/settings/model-card.ts';

/** The latents of `--image`, the same for every picture of the set. @throws KronaError IMAGE_INVALID */
export async function imageStart(
  painter: TextToImage,
  { width, height, count, noise }: DrawRequest,
  { path, strength }: { readonly path: string; readonly strength: number },
  source: NoiseSource,
): Promise<StartPicture> {
  const { data: pixels } = await readPicture(path, (picture) =>
    picture.render((image) =>
      image
        .rotate()
        .toColourspace('srgb')
        // As training does: what is hidden under transparency is often black.
        .flatten({ background: 'white' })
        .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
        .raw(),
    ),
  );
  // With torch's noise as diffusers does it: one of the VAE's latents, not their mean.
  const latents = await painter.latentsOf({ width, height, pixels }, noise === 'torch' ? source : undefined);
  const all = new Float32Array(latents.length * count);
  for (let i = 0; i < count; i++) all.set(latents, i * latents.length);
  return { latents: all, strength };
}

/** @throws KronaError IMAGE_INVALID when the file is not a picture */
async function readPicture<T>(path: string, use: (picture: Picture) => Promise<T> | T): Promise<T> {
  try {
    return await use(await Picture.open(path, basename(path)));
  } catch (cause) {
    throw cause instanceof KronaError ? new KronaError('IMAGE_INVALID', cause.message, { cause }) : cause;
  }
}

/** Width and height with the shape of a picture and at most the model's own area, in sides that the model can draw. */
export async function sizeOfImage(path: string, { nativeSize, sizeMultiple }: ModelCard) {
  const { width, height } = await readPicture(path, (picture) => picture);
  const scale = Math.min(1, nativeSize / Math.sqrt(width * height));
  const side = (pixels: number): number =>
    Math.max(1, Math.floor((pixels * scale) / sizeMultiple)) * sizeMultiple;
  return { width: side(width), height: side(height) };
}
