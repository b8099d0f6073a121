/**
 * @file What each micro-batch of a run trains on. Micro-batch n depends on the seed and n alone, so a resumed run
 * goes on with the very batches that an undisturbed one sees.
 */
import { timeIds as timeIdsOf } from '../models/architecture.ts';
import { openEncoder, type EncodedPicture } from '../models/autoencoder.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { EncodedPrompt } from '../models/text-encoder.ts';
import { KeyedRandom } from '../random.ts';
import type { NoiseSchedule } from './noise-schedule.ts';
import { loadPhoto } from './photos.ts';

export interface CachedPhoto extends EncodedPicture {
  /** What the UNet is told of it: 6 numbers for SDXL, 5 for its refiner, none for SD. */
  readonly timeIds: readonly number[];
}

/** Encodes every photo once; the VAE is released after. */
export async function cachePhotos(
  model: ModelFolder,
  paths: readonly string[],
  side: number,
  onDone: (photos: number) => void,
): Promise<CachedPhoto[]> {
  const encoder = await openEncoder(model, side, side);
  const cached: CachedPhoto[] = [];
  try {
    for (const path of paths) {
      const { pixels, timeIds } = await loadPhoto(path, side, side);
      cached.push({ ...(await encoder.encode(pixels)), timeIds: timeIdsOf(model.architecture, timeIds) });
      onDone(cached.length);
    }
  } finally {
    await encoder.release();
  }
  return cached;
}

export interface MicroBatch {
  /** Scaled, before noise [B,4,h,w]. */
  readonly latents: Float32Array;
  readonly noise: Float32Array;
  readonly timesteps: Int32Array;
  /** [B, as many as each photo has] */
  readonly timeIds: Float32Array;
}

export class Dataset {
  readonly #photos: readonly CachedPhoto[];
  readonly #seed: number;
  readonly #batch: number;
  readonly #timesteps: number;
  readonly #scale: { readonly factor: number; readonly shift: number };

  constructor(
    photos: readonly CachedPhoto[],
    model: ModelFolder,
    schedule: NoiseSchedule,
    options: { seed: number; batch: number },
  ) {
    const { scaling_factor: factor, shift_factor: shift } = model.vae.config;
    this.#photos = photos;
    this.#scale = { factor, shift };
    this.#timesteps = schedule.timesteps;
    this.#seed = options.seed;
    this.#batch = options.batch;
  }

  /** Micro-batch n, from 0. Every photo is seen once before any is seen again; latents are drawn anew each time. */
  batch(n: number): MicroBatch {
    const size = this.#photos[0]!.mean.length;
    const random = new KeyedRandom(this.#seed, 'batch', n);
    const timesteps = Int32Array.from({ length: this.#batch }, () => random.integer(this.#timesteps));
    const noise = random.normals(this.#batch * size);
    const latents = new Float32Array(this.#batch * size);
    const told = this.#photos[0]!.timeIds.length;
    const timeIds = new Float32Array(this.#batch * told);
    for (let row = 0; row < this.#batch; row++) {
      const { mean, deviation, timeIds: sizes } = this.#photos[this.#photoAt(n * this.#batch + row)]!;
      const { factor, shift } = this.#scale;
      for (let i = 0; i < size; i++)
        latents[row * size + i] = (mean[i]! + deviation[i]! * random.normal() - shift) * factor;
      timeIds.set(sizes, row * told);
    }
    return { latents, noise, timesteps, timeIds };
  }

  /** The photo of example `index`: each round through the photos has its own order. */
  #photoAt(index: number): number {
    const count = this.#photos.length;
    const random = new KeyedRandom(this.#seed, 'order', Math.floor(index / count));
    const order = [...Array(count).keys()];
    for (let i = count - 1; i > 0; i--) {
      const j = random.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order[index % count]!;
  }
}

/** One prompt for every row of a batch. */
export function repeated(
  prompt: EncodedPrompt,
  batch: number,
): { readonly states: Float32Array; readonly pooled: Float32Array } {
  const fill = (values: Float32Array): Float32Array => {
    const rows = new Float32Array(batch * values.length);
    for (let row = 0; row < batch; row++) rows.set(values, row * values.length);
    return rows;
  };
  return { states: fill(prompt.states), pooled: fill(prompt.pooled) };
}
