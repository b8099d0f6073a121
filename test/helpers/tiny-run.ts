/** @file One small training run on the tiny model: photos made from formulas, settings fixed. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';
import type { Method } from '../../storage/settings.ts';
import { TINY_MODEL } from './fixtures.ts';

/** Writes `count` different pictures of 64×64 into a folder and returns their paths. */
export async function makePhotos(folder: string, count: number): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const side = 64;
  const paths: string[] = [];
  for (let photo = 0; photo < count; photo++) {
    const pixels = Buffer.alloc(side * side * 3);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const inside = (x - 32) ** 2 + (y - 30 - photo) ** 2 < (14 + 3 * photo) ** 2;
        const rgb = inside ? [230, 60 + 20 * photo, 40] : [40, (x * 3) % 256, 60 + 2 * y];
        pixels.set(rgb, (y * side + x) * 3);
      }
    }
    const path = join(folder, `photo-${photo}.png`);
    await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toFile(path);
    paths.push(path);
  }
  return paths;
}

/** A few steps that use accumulation, batches, warm-up and clipping. */
export function tinyRun(photos: readonly string[], out: string, method: Method = 'krona'): TrainOptions {
  return {
    model: TINY_MODEL,
    photos,
    subjectToken: 'sks',
    subjectClass: 'dog',
    prompt: 'a photo of sks dog',
    method,
    a1: 4,
    a2: 2,
    ...(method === 'lora' ? { rank: 2, alpha: 1 } : {}),
    lr: method === 'full' ? 1e-3 : 1e-2,
    warmup: 3,
    steps: { krona: 20, lora: 8, full: 4 }[method],
    batch: 1,
    accumulation: 2,
    weightDecay: 0.01,
    maxGradNorm: 1,
    seed: 3,
    resolution: 32,
    checkpointing: false,
    checkpointEvery: null,
    resume: false,
    trace: null,
    out,
  };
}
