/**
 * @file Prompts to pictures with one model: text, denoising with classifier-free guidance (arXiv 2207.12598),
 * decoding. Holds its sessions, so that further requests of the same size start at once; adapters are inputs of them.
 */
import { KronaError } from '../../core/errors.ts';
import type { SchedulerName } from '../../core/settings/settings.ts';
import { layersOf, withoutScales, type AdapterShapes } from '../adapters/adapter.ts';
import { adapterBase } from '../adapters/files/adapter-base.ts';
import {
  adapterFeeds,
  adapterInputs,
  shapesKey,
  strengthFeeds,
  type AppliedAdapter,
} from '../adapters/adapter-inputs.ts';
import { noiseStrengthOf } from '../adapters/files/adapter-info.ts';
import { readAdapter } from '../adapters/files/read-adapter.ts';
import { compile } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import { Session, type Feeds } from '../graph/runtime.ts';
import { timeIds } from '../models/architecture.ts';
import { openDecoder, openEncoder, type Decoder } from '../models/autoencoder.ts';
import { ConfigFields } from '../models/config-fields.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openModel } from '../models/open-model.ts';
import { frozenParameters } from '../models/parameters.ts';
import { TextEncoder, type EncodedPrompt } from '../models/text-encoder.ts';
import { unet, unetInputs } from '../models/unet.ts';
import { vaeScale } from '../models/vae.ts';
import { guide } from './guidance.ts';
import { createNoise, variedNoise, type NoiseSource } from './noise.ts';
import { fromBytes, toBytes } from './pixels.ts';
import { createScheduler } from './schedulers/create-scheduler.ts';
import { trainTimesteps } from './schedulers/noise-levels.ts';
import { firstStep, handover } from './schedulers/picture-start.ts';
import type { Scheduler } from './schedulers/scheduler.ts';
import { SessionCache } from './session-cache.ts';
import { needsTiles, openTiledDecoder, openTiledEncoder } from './tiles.ts';

export interface DrawRequest {
  readonly prompt: string;
  /** null: as the folder's force_zeros_for_empty_prompt says. */
  readonly negative: string | null;
  /** null: the model alone. The changes of several add up. */
  readonly adapter: AppliedAdapter | readonly AppliedAdapter[] | null;
  readonly steps: number;
  readonly guidance: number;
  /** How far guided outputs go back to the deviation of those without guidance, in [0, 1]; 0 by default. */
  readonly guidanceRescale?: number;
  readonly scheduler: SchedulerName | null;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly count: number;
  /** Seed of the picture that these vary, after those of the pictures that it varied itself; none by default. */
  readonly varies?: readonly number[];
  readonly noise: 'torch' | 'krona';
  /** Start from latents instead of pure noise. */
  readonly start?: StartPicture;
  /** Whether pictures are decoded in tiles (tiles.ts); by their size by default. */
  readonly tiled?: boolean;
  /** Leave the run when this share of the noise levels is behind, in (0, 1); to its end by default. */
  readonly until?: number;
}

export type StartPicture = {
  /** [count,4,h,w], scaled, as `latentsOf` gives them. */
  readonly latents: Float32Array;
} & (
  | {
      /** Share of the steps that are done, in (0, 1]: how much may change. Noise of the level at which they begin is added. */
      readonly strength: number;
    }
  | {
      /** Go on where a run with this `until` was left. */
      readonly from: number;
    }
);

export interface DrawHooks {
  /** After each denoising step, from 1. */
  readonly onStep?: (step: number, steps: number) => void;
  readonly turn?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface DrawnPicture {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, rows from the top. */
  readonly pixels: Uint8Array;
}

/** UNet sessions kept: base and adapter, a set and one picture. */
const KEPT = 4;

type UNetSession = Session<{ readonly prediction: Float32Array }>;

export class TextToImage {
  readonly model: ModelFolder;
  readonly #text: TextEncoder;
  readonly #unets = new SessionCache<UNetSession>(KEPT);
  readonly #decoders = new SessionCache<Decoder>(2);
  /** For adapters that change the text encoders. */
  readonly #adaptedTexts = new SessionCache<TextEncoder>(1);

  private constructor(model: ModelFolder, text: TextEncoder) {
    this.model = model;
    this.#text = text;
  }

  /**
   * @param source path of a folder or single file, or a model that is open
   * @throws KronaError MODEL_*
   */
  static async open(source: string | ModelFolder): Promise<TextToImage> {
    const model = typeof source === 'string' ? await openModel(source) : source;
    return new TextToImage(model, await TextEncoder.open(model));
  }

  /** Any adapter file, or PEFT's folder. @throws KronaError ADAPTER_* when it does not fit this model */
  async readAdapter(path: string, strength = 1): Promise<AppliedAdapter> {
    const { layers, metadata, notes } = await readAdapter(path, adapterBase(this.model));
    const noiseStrength = noiseStrengthOf(metadata);
    return {
      layers: withoutScales(layers),
      strength,
      ...(noiseStrength === undefined ? {} : { noiseStrength }),
      notes,
    };
  }

  /** @throws KronaError SIZE_INVALID, SCHEDULER_UNSUPPORTED, STEPS_INVALID; and the signal's reason when it aborts */
  async draw(
    request: DrawRequest,
    hooks: DrawHooks = {},
    source: NoiseSource = createNoise(request.noise, request.seed),
  ): Promise<DrawnPicture[]> {
    const { width, height, count } = request;
    const latents = await this.denoise(request, hooks, source);
    const tiled = needsTiles(this.model, width, height, request.tiled ?? null);
    const decoder = await this.#decoders.get(`${width}x${height}${tiled ? ' in tiles' : ''}`, async () =>
      (tiled ? openTiledDecoder : openDecoder)(this.model, width, height),
    );
    const each = latents.length / count;
    const pictures: DrawnPicture[] = [];
    for (let i = 0; i < count; i++) {
      await hooks.turn?.();
      hooks.signal?.throwIfAborted();
      pictures.push({
        width,
        height,
        pixels: toBytes(await decoder.decode(latents.subarray(i * each, (i + 1) * each)), width * height),
      });
    }
    return pictures;
  }

  /**
   * The latents [4,h,w] of a picture, scaled as the UNet sees them.
   *
   * @param source draws one of the latents that the VAE allows, as diffusers' image-to-image pipelines do before all
   * other noise; their mean without it
   */
  async latentsOf({ width, height, pixels }: DrawnPicture, source?: NoiseSource): Promise<Float32Array> {
    this.#checkSize(width, height);
    const { scaling_factor: factor, shift_factor: shift } = this.model.vae.config;
    // Rarely needed and large, so it is not kept.
    const tiled = needsTiles(this.model, width, height, null);
    const encoder = await (tiled ? openTiledEncoder : openEncoder)(this.model, width, height);
    try {
      const { mean, deviation } = await encoder.encode(fromBytes(pixels, width * height));
      const noise = source?.draw(1, mean.length);
      return mean.map((x, i) => ((noise ? x + deviation[i]! * noise[i]! : x) - shift) * factor);
    } finally {
      await encoder.release();
    }
  }

  /**
   * The final latents [count,4,h,w], still scaled.
   *
   * @param source goes on drawing where what came before this run stopped; a fresh one by default
   */
  async denoise(
    request: DrawRequest,
    { onStep, turn, signal }: DrawHooks = {},
    source: NoiseSource = createNoise(request.noise, request.seed),
  ): Promise<Float32Array> {
    const { config } = this.model.unet;
    const { steps, guidance, guidanceRescale = 0, width, height, count } = request;
    const scale = this.#checkSize(width, height);
    const scheduler = createScheduler(request.scheduler, this.model.scheduler, steps);
    const guided = guidance > 1;
    const rows = guided ? 2 * count : count;
    const text = await this.#conditioning(request, guided);
    const [h, w] = [height / scale, width / scale];
    const adapters = partOf(request, ['']);
    const session = await this.#session(
      rows,
      h,
      w,
      adapters.map(({ layers }) => layers),
    );
    const size = config.in_channels * h * w * count;

    const fixed = {
      ...adapterFeeds(adapters),
      encoder_hidden_states: perRow(
        text.map(({ states }) => states),
        count,
      ),
      ...(config.addition_embed_type === null ? {} : this.#pictureFeeds(text, width, height, count)),
    };
    const noise = () => source.draw(count, size / count);
    const first = () => variedNoise(request.varies ?? [], noise(), size / count);
    const { call: from, sample: start } = this.#startOf(request, scheduler, first, size);
    const end =
      request.until === undefined
        ? scheduler.timesteps.length
        : this.#callAt(request.until, scheduler, steps);
    let sample = start;
    const trained = this.#trainedTimesteps();
    for (let i = from; i < end; i++) {
      const timestep = scheduler.timesteps[i]!;
      await turn?.();
      signal?.throwIfAborted();
      const scaled = scheduler.scaleModelInput(sample, i);
      const latents = perRow(guided ? [scaled, scaled] : [scaled], 1);
      const feeds = {
        ...fixed,
        ...strengthFeeds(adapters, timestep, trained),
        latents,
        timesteps: new Float32Array(rows).fill(timestep),
      };
      const { prediction } = await session.run(feeds);
      const led = guided ? guide(prediction, guidance, guidanceRescale, count) : prediction;
      sample = scheduler.step(led, i, sample, noise);
      onStep?.(i - from + 1, end - from);
    }
    return sample;
  }

  /** The first call of the model, and the sample before it. */
  #startOf(
    { start, steps }: DrawRequest,
    scheduler: Scheduler,
    noise: () => Float32Array,
    size: number,
  ): { readonly call: number; readonly sample: Float32Array } {
    if (start === undefined) return { call: 0, sample: noise().map((x) => x * scheduler.initNoiseSigma) };
    const { latents } = start;
    if (latents.length !== size)
      throw new RangeError(`start.latents has ${latents.length} numbers, not ${size}`);
    if ('from' in start) return { call: this.#callAt(start.from, scheduler, steps), sample: latents };
    const { call, signal, sigma } = scheduler.startOf(firstStep(steps, start.strength));
    const fresh = noise();
    return { call, sample: latents.map((x, i) => signal * x + sigma * fresh[i]!) };
  }

  #callAt(share: number, scheduler: Scheduler, steps: number): number {
    return handover(scheduler, steps, this.#trainedTimesteps(), share);
  }

  #trainedTimesteps(): number {
    return trainTimesteps(new ConfigFields('scheduler/scheduler_config.json', this.model.scheduler));
  }

  /** @returns pixels per latent @throws KronaError SIZE_INVALID */
  #checkSize(width: number, height: number): number {
    const scale = vaeScale(this.model.vae.config);
    if (width % scale === 0 && height % scale === 0 && width >= scale && height >= scale) return scale;
    const near = (side: number): number => Math.max(1, Math.round(side / scale)) * scale;
    throw new KronaError(
      'SIZE_INVALID',
      `A picture of ${width}×${height} pixels cannot be drawn; both sides must be multiples of ${scale}, ` +
        `as in ${near(width)}×${near(height)}.`,
    );
  }

  async release(): Promise<void> {
    await this.#unets.release();
    await this.#decoders.release();
    await this.#adaptedTexts.release();
    await this.#text.release();
  }

  /** What each part of the batch is told: without the prompt first, as diffusers orders them. */
  async #conditioning(request: DrawRequest, guided: boolean): Promise<EncodedPrompt[]> {
    const { prompt, negative } = request;
    const { text, feeds } = await this.#encoder(request);
    const positive = await text.encode(prompt, feeds);
    if (!guided) return [positive];
    const zeros = negative === null && this.model.forceZerosForEmptyPrompt;
    return [zeros ? text.zeros() : await text.encode(negative ?? '', feeds), positive];
  }

  /** Pooled text and numbers about the picture of each row, for models that are told them. */
  #pictureFeeds(text: readonly EncodedPrompt[], width: number, height: number, count: number) {
    const sizes = [height, width, 0, 0, height, width] as const;
    const ids = text.map((_, i) =>
      // What is drawn is the last part; the one before it is what is led away from.
      Float32Array.from(timeIds(this.model.architecture, sizes, i === text.length - 1)),
    );
    const pooled = text.map((part) => part.pooled);
    return { text_embeds: perRow(pooled, count), time_ids: perRow(ids, count) };
  }

  /** The text encoders, with the changes of the adapters that have any of them. */
  async #encoder(request: DrawRequest): Promise<{ text: TextEncoder; feeds: Feeds }> {
    const adapters = partOf(
      request,
      this.model.textEncoders.map(({ name }) => `${name}.`),
    );
    if (adapters.length === 0) return { text: this.#text, feeds: {} };
    const shapes = adapters.map(({ layers }) => layers);
    const text = await this.#adaptedTexts.get(shapesKey(shapes), () =>
      TextEncoder.open(this.model, adapterInputs(shapes)),
    );
    return { text, feeds: adapterFeeds(adapters) };
  }

  #session(
    rows: number,
    height: number,
    width: number,
    adapters: readonly AdapterShapes[],
  ): Promise<UNetSession> {
    const { config, tensors, name } = this.model.unet;
    return this.#unets.get(`${rows}x${height}x${width} ${shapesKey(adapters)}`, () => {
      const inputs = unetInputs(config, rows, height, width, this.#text.tokens);
      const parameters = adapterInputs(adapters)(frozenParameters(name, tensors), '');
      const prediction = unet(config, parameters, inputs);
      return Session.create(compile({ prediction }, { precision: devicePrecision() }));
    });
  }
}

/** What a request's adapters change under `prefixes`; those that change nothing there are left out. */
function partOf({ adapter }: DrawRequest, prefixes: readonly string[]): AppliedAdapter[] {
  return [adapter ?? []]
    .flat()
    .map(({ layers, ...strengths }) => ({
      layers: new Map(prefixes.flatMap((prefix) => [...layersOf(layers, prefix)])),
      ...strengths,
    }))
    .filter(({ layers }) => layers.size > 0);
}

/** Each part `count` times, part after part. */
function perRow(parts: readonly Float32Array[], count: number): Float32Array {
  const rows = parts.flatMap((part) => Array<Float32Array>(count).fill(part));
  const joined = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  rows.reduce((offset, row) => {
    joined.set(row, offset);
    return offset + row.length;
  }, 0);
  return joined;
}
