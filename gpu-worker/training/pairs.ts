/**
 * @file The pairs of pictures of each micro-batch of a refinement. Both pictures of a pair get the same noise and the
 * same timestep, so that their errors differ by the pictures alone. A fifth of the sets is held out.
 */
import { at } from '../../core/at.ts';
import { concatenated } from '../../core/concatenated.ts';
import { KeyedRandom } from '../../core/random.ts';
import { strengthAt } from '../adapters/noise-strength.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { Size } from './buckets.ts';
import { addOffset, latentRows } from './latent-rows.ts';
import type { NoiseSchedule } from './noise-schedule.ts';
import type { CachedView } from './photo-cache.ts';
import type { PreferencePair } from './refine-options.ts';

/** A pair at one size. */
export interface CachedPair extends Size, Pick<PreferencePair, 'prompt' | 'weight' | 'set'> {
  readonly winner: CachedView;
  readonly loser: CachedView;
}

/** 2P rows: winners, then losers. */
export interface PairRows {
  /** Of each row. */
  readonly prompts: readonly string[];
  /** Scaled, before noise [2P,C,h,w]. */
  readonly latents: Float32Array;
  readonly noise: Float32Array;
  readonly timesteps: Int32Array;
  readonly timeIds: Float32Array;
  /** Of the adapter in each row [2P]; null: all 1. */
  readonly strengths: Float32Array | null;
  /** Of each pair [P]; those of all training pairs have the mean 1. */
  readonly weights: Float32Array;
}

export interface PairOptions {
  readonly seed: number;
  /** Pairs of a micro-batch. */
  readonly batch: number;
  readonly offsetNoise?: number;
  readonly noiseStrength?: number;
}

/** One set in this many is held out. */
const HELD_OUT = 5;
/** Draws of noise on held-out pairs at a point of the curve. */
const HELD_OUT_DRAWS = 32;

/**
 * Splits pairs by their sets: those to train on, and a fifth of the sets, rounded down, to measure on.
 */
export function splitPairs<P extends { readonly set: string }>(
  pairs: readonly P[],
  seed: number,
): { readonly training: readonly P[]; readonly heldOut: readonly P[] } {
  const sets = [...new Set(pairs.map(({ set }) => set))];
  new KeyedRandom(seed, 'held-out pairs').shuffle(sets);
  const held = new Set(sets.slice(0, Math.floor(sets.length / HELD_OUT)));
  return {
    training: pairs.filter(({ set }) => !held.has(set)),
    heldOut: pairs.filter(({ set }) => held.has(set)),
  };
}

export class Pairs {
  readonly #training: readonly CachedPair[];
  readonly #heldOut: readonly CachedPair[];
  readonly #meanWeight: number;
  readonly #model: ModelFolder;
  readonly #schedule: NoiseSchedule;
  readonly #options: PairOptions;

  /** @param pairs in every size of the photos */
  constructor(
    pairs: readonly CachedPair[],
    model: ModelFolder,
    schedule: NoiseSchedule,
    options: PairOptions,
  ) {
    const { training, heldOut } = splitPairs(pairs, options.seed);
    this.#training = training;
    this.#heldOut = heldOut;
    this.#meanWeight = training.reduce((sum, { weight }) => sum + weight, 0) / training.length;
    this.#model = model;
    this.#schedule = schedule;
    this.#options = options;
  }

  /** Pairs of micro-batch `n`, from 0, in a size: every pair is used once before any is used again. */
  batch(n: number, size: Size): PairRows {
    const { seed } = this.#options;
    const random = new KeyedRandom(seed, 'pair batch', n);
    return this.#rows(this.#inOrder(this.#training, n, size, 'pair order'), random);
  }

  /** Micro-batches of held-out pairs; 0 without any. */
  get heldOutBatches(): number {
    return this.#heldOut.length === 0 ? 0 : Math.ceil(HELD_OUT_DRAWS / this.#options.batch);
  }

  /** Held-out pairs, the same at every call. @param n below `heldOutBatches` */
  heldOut(n: number, size: Size): PairRows {
    const { seed } = this.#options;
    const random = new KeyedRandom(seed, 'held-out batch', n);
    return this.#rows(this.#inOrder(this.#heldOut, n, size, 'held-out order'), random);
  }

  #inOrder(pairs: readonly CachedPair[], n: number, { width, height }: Size, purpose: string): CachedPair[] {
    const { seed, batch } = this.#options;
    const fitting = pairs.filter((pair) => pair.width === width && pair.height === height);
    return Array.from({ length: batch }, (_, row) => {
      const index = n * batch + row;
      const order = [...fitting];
      new KeyedRandom(seed, purpose, Math.floor(index / fitting.length)).shuffle(order);
      return at(order, index % fitting.length);
    });
  }

  #rows(pairs: readonly CachedPair[], random: KeyedRandom): PairRows {
    const { offsetNoise, noiseStrength } = this.#options;
    const { timesteps: most } = this.#schedule;
    const { config } = this.#model.vae;
    const views = [...pairs.map(({ winner }) => winner), ...pairs.map(({ loser }) => loser)];
    const timesteps = Int32Array.from(pairs, () => random.integer(most));
    const size = at(views, 0).mean.length;
    const noise = random.normals(pairs.length * size);
    if (offsetNoise) addOffset(noise, size / config.latent_channels, offsetNoise, random);
    const twice = Int32Array.from([...timesteps, ...timesteps]);
    const prompts = pairs.map(({ prompt }) => prompt);
    return {
      ...latentRows(views, config, random),
      prompts: [...prompts, ...prompts],
      noise: concatenated([noise, noise]),
      timesteps: twice,
      strengths:
        noiseStrength === undefined
          ? null
          : Float32Array.from(twice, (timestep) => strengthAt(noiseStrength, timestep, most)),
      weights: Float32Array.from(pairs, ({ weight }) => weight / this.#meanWeight),
    };
  }
}
