/**
 * @file Decodes latents: a picture as a whole, or in tiles if it is large or the device's memory is small. A run that is out
 * of memory is tried again with smaller tiles.
 */
import { at } from '../../core/at.ts';
import { devicePrecision } from '../graph/device.ts';
import * as op from '../graph/ops.ts';
import { isOutOfMemory } from '../graph/out-of-memory.ts';
import { graphMemory, type GraphMemory } from '../graph/peak-memory.ts';
import { fits, isLimited, makeRoom } from '../graph/room.ts';
import { decoderOutputs, openDecoder, vaePrecision, type Decoder } from '../models/autoencoder.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { vaeScale } from '../models/vae.ts';
import { SessionCache } from './session-cache.ts';
import { needsTiles, openTiledDecoder } from './tiles.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
  /** Whether it is decoded in tiles; its size decides by default. */
  readonly tiled?: boolean | undefined;
}

export class PictureDecoder {
  readonly #model: ModelFolder;
  readonly #decoders = new SessionCache<Decoder>(2);
  /** How many ways of decoding were out of memory. */
  #failed = 0;

  constructor(model: ModelFolder) {
    this.#model = model;
  }

  /**
   * @param latents of one picture, as Decoder.decode
   * @param resident bytes of programs that stay on the device
   * @throws KronaError OUT_OF_MEMORY
   */
  async decode(latents: Float32Array, size: PictureSize, resident: () => number): Promise<Float32Array> {
    const tiles = this.#waysOf(size);
    for (let roomMade = false; ;) {
      const fitting = isLimited()
        ? tiles.findIndex((tile) => fits(this.#memoryOf(size, tile), resident()))
        : 0;
      const way = Math.min(Math.max(this.#failed, fitting < 0 ? tiles.length : fitting), tiles.length - 1);
      try {
        const decoder = await this.#open(size, at(tiles, way));
        return await decoder.decode(latents);
      } catch (error) {
        if (!isOutOfMemory(error) || (roomMade && way === tiles.length - 1)) throw error;
        await this.release();
        if (way < tiles.length - 1) this.#failed = way + 1;
        else {
          await makeRoom();
          roomMade = true;
        }
      }
    }
  }

  release(): Promise<void> {
    return this.#decoders.release();
  }

  /** Sides of tiles, from the best; null for the whole picture. */
  #waysOf({ width, height, tiled }: PictureSize): (number | null)[] {
    const { config } = this.#model.vae;
    const large = needsTiles(this.#model, width, height, tiled ?? null);
    // A quarter of a tile overlaps, in whole latents.
    const unit = 4 * vaeScale(config);
    const small = Math.max(1, Math.floor(config.sample_size / 2 / unit)) * unit;
    const most = large ? config.sample_size : Math.max(width, height);
    return [large ? config.sample_size : null, ...(small < most ? [small] : [])];
  }

  #open({ width, height }: PictureSize, tile: number | null): Promise<Decoder> {
    return this.#decoders.get(`${width}x${height} ${tile ?? 'whole'}`, async () =>
      tile === null
        ? openDecoder(this.#model, width, height)
        : openTiledDecoder(this.#model, width, height, tile),
    );
  }

  #memoryOf({ width, height }: PictureSize, tile: number | null): GraphMemory {
    const { config } = this.#model.vae;
    const scale = vaeScale(config);
    const side = (length: number): number => Math.min(length, tile ?? length) / scale;
    const latents = op.input('latents', [1, config.latent_channels, side(height), side(width)]);
    return graphMemory(
      decoderOutputs(this.#model, latents),
      vaePrecision(this.#model, devicePrecision('drawing')),
    );
  }
}
