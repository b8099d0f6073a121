/**
 * @file Draws pictures with any way of computing the UNet: gpu-worker/sampling/text-to-image.ts without adapters, one
 * picture at a time, with the prediction passed in.
 */
import type { Feeds } from '../../gpu-worker/graph/runtime.ts';
import { timeIds } from '../../gpu-worker/models/architecture.ts';
import { openDecoder, type Decoder } from '../../gpu-worker/models/autoencoder.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { TextEncoder } from '../../gpu-worker/models/text-encoder.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { JUDGED_SAMPLING } from '../../lab/pretrain/evaluate-model.ts';
import { guide } from '../../gpu-worker/sampling/guidance.ts';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { createScheduler } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';

/** The prediction [2,4,h,w] of call `call` (from 0) for two rows: without the prompt, and with it. */
export type Predict = (feeds: Feeds, call: number) => Promise<Float32Array>;

export interface Asked {
  readonly prompt: string;
  readonly seed: number;
}

const twice = (one: Float32Array, other = one): Float32Array => Float32Array.from([...one, ...other]);

export class Sampler {
  /** Latent height and width, and number of text tokens. */
  readonly sizes: readonly [height: number, width: number, tokens: number];
  readonly #model: ModelFolder;
  readonly #side: number;
  readonly #text: TextEncoder;
  readonly #decoder: Decoder;

  private constructor(model: ModelFolder, side: number, text: TextEncoder, decoder: Decoder) {
    const latent = side / vaeScale(model.vae.config);
    this.sizes = [latent, latent, text.tokens];
    this.#model = model;
    this.#side = side;
    this.#text = text;
    this.#decoder = decoder;
  }

  /** @param side of the pictures, pixels */
  static async open(model: ModelFolder, side: number): Promise<Sampler> {
    return new Sampler(model, side, await TextEncoder.open(model), await openDecoder(model, side, side));
  }

  /** RGB, 8 bits, rows from the top; with the model's own scheduler. */
  async draw(
    predict: Predict,
    { prompt, seed }: Asked,
    steps: number = JUDGED_SAMPLING.steps,
  ): Promise<Uint8Array> {
    const { unet, scheduler: config, architecture, forceZerosForEmptyPrompt } = this.#model;
    const [height, width] = this.sizes;
    const size = unet.config.in_channels * height * width;
    const scheduler = createScheduler(null, config, steps);
    const noise = createNoise('krona', seed);
    const fresh = (): Float32Array => noise.draw(1, size);
    const without = forceZerosForEmptyPrompt ? this.#text.zeros() : await this.#text.encode('');
    const wanted = await this.#text.encode(prompt);
    const picture = [this.#side, this.#side, 0, 0, this.#side, this.#side] as const;
    const fixed = {
      encoder_hidden_states: twice(without.states, wanted.states),
      text_embeds: twice(without.pooled, wanted.pooled),
      time_ids: Float32Array.from([false, true].flatMap((row) => timeIds(architecture, picture, row))),
    };
    let sample: Float32Array = fresh().map((x) => x * scheduler.initNoiseSigma);
    for (const [call, timestep] of scheduler.timesteps.entries()) {
      const latents = twice(scheduler.scaleModelInput(sample, call));
      const output = await predict(
        { ...fixed, latents, timesteps: Float32Array.of(timestep, timestep) },
        call,
      );
      sample = scheduler.step(guide(output, JUDGED_SAMPLING.guidance, 0, 1), call, sample, fresh);
    }
    return toBytes(await this.#decoder.decode(sample));
  }

  async release(): Promise<void> {
    await this.#decoder.release();
    await this.#text.release();
  }
}
