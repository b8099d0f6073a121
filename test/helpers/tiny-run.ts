/** @file One small training run on the tiny model: photos made from formulas, settings fixed. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';
import type { Method, Preference } from '../../core/settings/choices.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { TINY_MODEL } from './fixtures.ts';
import { tinyFolder } from './sd-fixtures.ts';

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

/** A run that uses every option at once: two shapes of photos, one of them with a transparent background. */
export async function everyOption(folder: string, out: string): Promise<TrainOptions> {
  await mkdir(folder, { recursive: true });
  const drawn = async (name: string, width: number, height: number, background: string): Promise<string> => {
    const path = join(folder, name);
    const disc = `<circle cx="${width * 0.4}" cy="${height / 2}" r="${Math.min(width, height) / 3}" fill="#e64"/>`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
      <rect width="100%" height="100%" fill="${background}"/>${disc}</svg>`;
    await sharp(Buffer.from(svg)).png().toFile(path);
    return path;
  };
  const photos = [
    await drawn('square.png', 64, 64, '#36a'),
    await drawn('wide.png', 96, 64, 'none'),
    await drawn('wider.png', 100, 60, '#8a4'),
  ];
  return {
    ...tinyRun(photos, out),
    steps: 6,
    captions: [null, 'a dog on grass', null],
    crop: 'random',
    cuts: 2,
    flip: true,
    buckets: true,
    mask: 'auto',
    masks: [null, null, null],
    background: 0.2,
    prior: { prompt: 'a photo of dog', pictures: 2, weight: 0.5, folder: join(folder, 'class-pictures') },
    priorL2: 0.02,
    minSnr: 5,
    offsetNoise: 0.05,
    noiseStrength: 0.5,
    lrSchedule: 'cosine',
  };
}

/**
 * A refinement of a short run's adapter, on SDXL's architecture with DPO or on SD's with IPO: a step without pairs, then
 * some with, and a set of pairs that is held out.
 */
export async function refineRun(folder: string, out: string, preference: Preference): Promise<TrainOptions> {
  const model = preference === 'dpo' ? TINY_MODEL : tinyFolder('sd15');
  const photos = await makePhotos(join(folder, 'photos'), 2);
  const pictures = await makePhotos(join(folder, 'pictures'), 6);
  const from = join(folder, 'champion.safetensors');
  const base = { ...tinyRun(photos, from), model, accumulation: 1, warmup: 0 };
  await trainAdapter({ ...base, steps: 4, restart: true });
  const picture = (n: number): string => pictures[n % pictures.length] ?? '';
  return {
    ...base,
    out,
    batch: 2,
    steps: 4,
    lr: 5e-3,
    refine: {
      from,
      pairs: Array.from({ length: 6 }, (_, n) => ({
        winner: picture(n),
        loser: picture(n + 1),
        prompt: 'a photo of sks dog on grass',
        weight: 1 + (n % 3),
        set: `set ${n}`,
      })),
      examples: [{ picture: picture(3), prompt: 'a photo of sks dog on grass', weight: 2 }],
      preference,
      beta: 20,
      photoWeight: 0.25,
      exampleSteps: 1,
    },
  };
}
