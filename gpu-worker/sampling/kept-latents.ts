/**
 * @file Drawing a part of a picture anew (Avrahami et al. 2022, arXiv 2206.02779): after each step, what is outside of a mask
 * becomes the picture again, with the noise of the next level. As diffusers' inpainting pipelines do it with UNets of 4
 * channels.
 */
import { at } from '../../core/at.ts';
import type { Scheduler } from './schedulers/scheduler.ts';

/** From this value on, of 255, a pixel is drawn anew. */
const WHITE = 128;

/** 1 for each pixel that is drawn anew, of a mask of 8 bits a pixel. */
export const drawnAnew = (mask: Uint8Array): Uint8Array => mask.map((value) => (value >= WHITE ? 1 : 0));

/**
 * The mask at the size of the latents, 1 where they are drawn anew: each is the first pixel of its square.
 *
 * @param mask 8 bits a pixel, rows from the top
 * @param scale pixels per latent
 */
export function latentMask(mask: Uint8Array, width: number, height: number, scale: number): Uint8Array {
  const [w, h] = [width / scale, height / scale];
  return Uint8Array.from({ length: w * h }, (_, i) => {
    const [x, y] = [i % w, Math.floor(i / w)];
    return at(mask, scale * (y * width + x)) >= WHITE ? 1 : 0;
  });
}

export class KeptLatents {
  readonly #clean: Float32Array;
  readonly #noise: Float32Array;
  readonly #mask: Uint8Array;
  readonly #scheduler: Scheduler;
  readonly #steps: number;

  /**
   * @param clean the picture's latents, [count,C,h,w]
   * @param noise of the run's start, as large
   * @param mask of `latentMask`, [h,w]
   */
  constructor(
    clean: Float32Array,
    noise: Float32Array,
    mask: Uint8Array,
    scheduler: Scheduler,
    steps: number,
  ) {
    this.#clean = clean;
    this.#noise = noise;
    this.#mask = mask;
    this.#scheduler = scheduler;
    this.#steps = steps;
  }

  /** The sample after call `i` of the model, with the picture outside of the mask. */
  after(i: number, sample: Float32Array): Float32Array {
    const { signal, sigma } = this.#levelOf(i + 1);
    return sample.map((x, place) =>
      at(this.#mask, place % this.#mask.length) === 1
        ? x
        : signal * at(this.#clean, place) + sigma * at(this.#noise, place),
    );
  }

  /** A call in the middle of a step has the level of the step after it; there is none after the last. */
  #levelOf(call: number): { readonly signal: number; readonly sigma: number } {
    if (call < this.#scheduler.timesteps.length)
      for (let step = 0; step < this.#steps; step++) {
        const start = this.#scheduler.startOf(step);
        if (start.call >= call) return start;
      }
    return { signal: 1, sigma: 0 };
  }
}
