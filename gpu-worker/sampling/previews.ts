/**
 * @file Draws what a run looks like before it ends: by a tiny decoder (TAESD) where there is one, else by a linear map from
 * latents to colours, which takes no time and has one pixel a latent.
 */
import { KronaError } from '../../core/errors.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import type { Decoder } from '../models/autoencoder.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openTinyDecoder, tinyScale, type TinyAutoencoder } from '../models/tiny-autoencoder.ts';
import { vaeScale } from '../models/vae.ts';
import { coloursOf, fitLatentColours, type LatentColours } from './latent-colours.ts';
import { SessionCache } from './session-cache.ts';
import type { DrawnPicture } from './text-to-image.ts';

export class Previews {
  readonly #model: ModelFolder;
  readonly #tiny: TinyAutoencoder | null;
  readonly #decoders = new SessionCache<Decoder>(1);
  #colours: Promise<LatentColours> | null = null;

  /** @param tiny null: none @throws KronaError PREVIEW_UNFIT if it is of other latents */
  constructor(model: ModelFolder, tiny: TinyAutoencoder | null) {
    this.#model = model;
    this.#tiny = tiny;
    const [channels, scale] = [model.vae.config.latent_channels, vaeScale(model.vae.config)];
    if (tiny === null || (tiny.config.latent_channels === channels && tinyScale(tiny.config) === scale))
      return;
    throw new KronaError(
      'PREVIEW_UNFIT',
      `${tiny.name} can't show pictures of ${model.name}: it decodes ${tiny.config.latent_channels} channels at 1/` +
        `${tinyScale(tiny.config)} of a picture's sides, expected ${channels} at 1/${scale}. Use the tiny autoencoder of the ` +
        'same family, such as madebyollin/taesd or taesdxl.',
    );
  }

  /**
   * @param latents clean ones of one picture [C,h,w], scaled
   * @param size of the finished picture
   * @returns a picture of that size, or of one pixel a latent
   */
  async draw(latents: Float32Array, { width, height }: Size): Promise<DrawnPicture> {
    const tiny = this.#tiny;
    if (tiny === null) {
      const scale = vaeScale(this.#model.vae.config);
      this.#colours ??= fitLatentColours(this.#model);
      const pixels = toBytes(coloursOf(await this.#colours, latents));
      return { width: width / scale, height: height / scale, pixels };
    }
    const decoder = await this.#decoders.get(`${width}x${height}`, () =>
      openTinyDecoder(tiny, width, height),
    );
    return { width, height, pixels: toBytes(await decoder.decode(latents)) };
  }

  release(): Promise<void> {
    return this.#decoders.release();
  }
}

type Size = Pick<DrawnPicture, 'width' | 'height'>;
