/** @file Pictures as latents of a model's VAE. */
import { at } from '../../core/at.ts';
import { openEncoder, type EncodedPicture } from '../models/autoencoder.ts';
import { checkFinite } from '../models/finite.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { NoiseSource } from './noise.ts';
import { needsTiles, openTiledEncoder } from './tiles.ts';
import { zip3 } from './zip.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Sizes whose grey picture is remembered. */
const KEPT_BLANKS = 4;

export class PictureEncoder {
  readonly #model: ModelFolder;
  readonly #blanks = new Map<string, EncodedPicture>();

  constructor(model: ModelFolder) {
    this.#model = model;
  }

  /**
   * The distributions of pictures over latents, not scaled.
   *
   * @param pictures [3,height,width] each, in [-1, 1]
   * @throws KronaError RESULT_NOT_FINITE
   */
  async encode({ width, height }: Size, pictures: readonly Float32Array[]): Promise<EncodedPicture[]> {
    // Large and rarely needed, so not kept.
    const tiled = needsTiles(this.#model, width, height, null);
    const encoder = await (tiled ? openTiledEncoder : openEncoder)(this.#model, width, height);
    try {
      const all: EncodedPicture[] = [];
      for (const picture of pictures) {
        const { mean, deviation } = await encoder.encode(picture);
        for (const values of [mean, deviation])
          await checkFinite(values, 'Encoding the starting picture by the VAE', this.#model);
        all.push({ mean, deviation });
      }
      return all;
    } finally {
      await encoder.release();
    }
  }

  /** A grey picture's, which is all that a UNet for inpainting reads where nothing of a picture is kept. */
  async blank(size: Size): Promise<EncodedPicture> {
    const key = `${size.width}x${size.height}`;
    const known = this.#blanks.get(key);
    if (known) return known;
    const [found] = await this.encode(size, [new Float32Array(3 * size.width * size.height)]);
    if (!found) throw new RangeError('one picture has one encoding');
    this.#blanks.set(key, found);
    for (const oldest of [...this.#blanks.keys()].slice(0, -KEPT_BLANKS)) this.#blanks.delete(oldest);
    return found;
  }

  /**
   * Latents [C,h,w], scaled as the UNet sees them.
   *
   * @param source samples from the distribution, as diffusers' pipelines do; by default, the mean
   */
  scaled({ mean, deviation }: EncodedPicture, source?: NoiseSource): Float32Array {
    const { scaling_factor: factor, shift_factor: shift } = this.#model.vae.config;
    const scaled = (x: number): number => (x - shift) * factor;
    const noise = source?.draw(1, mean.length);
    return noise
      ? zip3(mean, deviation, noise, (x, spread, fresh) => scaled(x + spread * fresh))
      : mean.map(scaled);
  }
}

/** A picture [3,H,W] without the part that is drawn anew, which becomes grey. @param hidden 1 there, [H,W] */
export const withoutPart = (picture: Float32Array, hidden: Uint8Array): Float32Array =>
  picture.map((value, i) => (at(hidden, i % hidden.length) === 1 ? 0 : value));
