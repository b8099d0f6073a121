/** @file The options of a training with a channel's defaults for a model, on generated photos. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { modelCard } from '../gpu-worker/adapters/model-card.ts';
import { openModelFolder } from '../gpu-worker/models/model-folder.ts';
import { listPhotos } from '../gpu-worker/training/photo-folder.ts';
import { trainDefaults, trainRecipe, type TrainOptions } from '../gpu-worker/training/train-options.ts';

/** Writes four JPEG photos of 12 megapixels, a phone's usual size. */
export async function makePhotos(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let photo = 0; photo < 4; photo++) {
    const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="3000">
      <rect width="4000" height="3000" fill="hsl(${90 * photo},40%,70%)"/>
      <circle cx="${1600 + 200 * photo}" cy="1600" r="${800 + 60 * photo}" fill="orange"/>
      <circle cx="${1400 + 200 * photo}" cy="1400" r="120"/><circle cx="${1800 + 200 * photo}" cy="1400" r="120"/></svg>`;
    await sharp(Buffer.from(drawing))
      .jpeg({ quality: 90 })
      .toFile(join(folder, `photo-${photo}.jpg`));
  }
}

export async function trainingOptions(
  model: string,
  folder: string,
  given: Pick<TrainOptions, 'steps' | 'batch'>,
): Promise<TrainOptions> {
  const card = modelCard(await openModelFolder(model));
  await makePhotos(join(folder, 'photos'));
  return {
    ...trainRecipe(card),
    ...trainDefaults(card),
    model,
    photos: await listPhotos(join(folder, 'photos')),
    subjectToken: 'sks',
    subjectClass: 'cat',
    prompt: 'a photo of sks cat',
    method: 'krona',
    seed: 0,
    checkpointEvery: null,
    resume: false,
    trace: null,
    out: join(folder, 'sks.safetensors'),
    ...given,
  };
}
