/**
 * @file The contents of each micro-batch of a run. Micro-batch n depends only on the seed and n, so a resumed run sees
 * the same batches as an uninterrupted one.
 */
import { strengthAt } from '../adapters/noise-strength.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';
import { bucketAt, type Size } from './buckets.ts';
import { addOffset, latentRows } from './latent-rows.ts';
import { minSnrWeight } from './loss-weights.ts';
import type { NoiseSchedule } from './noise-schedule.ts';
import { distinctSizes, type CachedPhoto, type CachedView } from './photo-cache.ts';

export interface DatasetOptions {
  readonly seed: number;
  /** Photos of a micro-batch. */
  readonly batch: number;
  /** γ of min-SNR weights; off unless given. */
  readonly minSnr?: number;
  /** Standard deviation of an additional noise that is constant over each channel; off unless given. */
  readonly offsetNoise?: number;
  /** The adapter's strength at pure noise, see noise-strength.ts; 1 everywhere unless given. */
  readonly noiseStrength?: number;
  /** Weight of the class pictures' loss relative to the photos'. */
  readonly priorWeight?: number;
}

/** R rows: the photos, then the same number of class pictures, if any; h×w latents. */
export interface MicroBatch extends Size {
  /** Of each row. */
  readonly prompts: readonly string[];
  /** Scaled, before noise [R,C,h,w]. */
  readonly latents: Float32Array;
  readonly noise: Float32Array;
  readonly timesteps: Int32Array;
  /** [R, numbers about each photo] */
  readonly timeIds: Float32Array;
  /** Of the squared errors [R,1,h,w]; null: all 1. */
  readonly weights: Float32Array | null;
  /** Of the adapter in each row [R]; null: all 1. */
  readonly strengths: Float32Array | null;
}

interface Bucket extends Size {
  readonly photos: readonly CachedPhoto[];
  readonly classPictures: readonly CachedPhoto[];
}

export class Dataset {
  readonly #buckets: readonly Bucket[];
  readonly #options: DatasetOptions;
  readonly #schedule: NoiseSchedule;
  readonly #vae: ModelFolder['vae']['config'];

  /** @param classPictures of every size of the photos; none without prior preservation */
  constructor(
    photos: readonly CachedPhoto[],
    classPictures: readonly CachedPhoto[],
    model: ModelFolder,
    schedule: NoiseSchedule,
    options: DatasetOptions,
  ) {
    const of = (all: readonly CachedPhoto[], { width, height }: Size) =>
      all.filter((each) => each.width === width && each.height === height);
    this.#buckets = distinctSizes(photos).map(({ width, height }) => {
      const size = { width, height };
      return { ...size, photos: of(photos, size), classPictures: of(classPictures, size) };
    });
    this.#options = options;
    this.#schedule = schedule;
    this.#vae = model.vae.config;
  }

  /** Number of different sizes of micro-batches. */
  get sizes(): number {
    return this.#buckets.length;
  }

  /**
   * Micro-batch n, from 0. Every photo of a bucket is used once before any is used again; latents are resampled each
   * time, and a view is chosen.
   */
  batch(n: number): MicroBatch {
    const { seed, offsetNoise, noiseStrength } = this.#options;
    const counts = this.#buckets.map(({ photos }) => photos.length);
    const { bucket, batch } = bucketAt(counts, seed, n);
    const { width, height, ...pictures } = at(this.#buckets, bucket);
    const rows = [
      ...this.#examples(pictures.photos, `order${bucket === 0 ? '' : ` ${bucket}`}`, batch),
      ...this.#examples(pictures.classPictures, `class order ${bucket}`, batch),
    ];
    const views = this.#views(rows, n);

    const size = at(views, 0).mean.length;
    const random = new KeyedRandom(seed, 'batch', n);
    const timesteps = Int32Array.from(rows, () => random.integer(this.#schedule.timesteps));
    const noise = random.normals(rows.length * size);
    const { latents, timeIds } = latentRows(views, this.#vae, random);
    const area = size / this.#vae.latent_channels;
    if (offsetNoise) addOffset(noise, area, offsetNoise, new KeyedRandom(seed, 'offset noise', n));
    return {
      width,
      height,
      prompts: rows.map(({ prompt }) => prompt),
      latents,
      noise,
      timesteps,
      timeIds,
      weights: this.#weights(rows, views, timesteps, area),
      strengths:
        noiseStrength === undefined
          ? null
          : Float32Array.from(timesteps, (t) => strengthAt(noiseStrength, t, this.#schedule.timesteps)),
    };
  }

  /** A batch of photos: each epoch has a different order. */
  #examples(photos: readonly CachedPhoto[], purpose: string, batch: number): CachedPhoto[] {
    const { seed, batch: count } = this.#options;
    if (photos.length === 0) return [];
    return Array.from({ length: count }, (_, row) => {
      const index = batch * count + row;
      const order = [...photos];
      new KeyedRandom(seed, purpose, Math.floor(index / photos.length)).shuffle(order);
      return at(order, index % photos.length);
    });
  }

  #views(rows: readonly CachedPhoto[], n: number): CachedView[] {
    const random = new KeyedRandom(this.#options.seed, 'view', n);
    return rows.map(({ views }) => at(views, views.length === 1 ? 0 : random.integer(views.length)));
  }

  /** The product of the weights of mask, min-SNR, prior preservation and the example itself. */
  #weights(
    rows: readonly CachedPhoto[],
    views: readonly CachedView[],
    timesteps: Int32Array,
    area: number,
  ): Float32Array | null {
    const { minSnr, priorWeight, batch } = this.#options;
    const rowsOfPhotos = Math.min(batch, views.length);
    const prior = views.length > batch;
    const plain =
      views.every((each) => each.weights === null) && rows.every((each) => each.weight === undefined);
    if (minSnr === undefined && !prior && plain) return null;
    const { signal, sigma } = this.#schedule.coefficients(timesteps);
    const weights = new Float32Array(views.length * area);
    for (const [row, view] of views.entries()) {
      const snr =
        minSnr === undefined
          ? 1
          : minSnrWeight(at(signal, row), at(sigma, row), minSnr, this.#schedule.prediction);
      // The two losses are means over their own rows, but the graph takes the mean over all rows.
      const share = prior ? (views.length / batch) * (row < rowsOfPhotos ? 1 : (priorWeight ?? 1)) : 1;
      const own = share * (at(rows, row).weight ?? 1);
      for (let i = 0; i < area; i++) weights[row * area + i] = snr * own * (view.weights?.[i] ?? 1);
    }
    return weights;
  }
}
