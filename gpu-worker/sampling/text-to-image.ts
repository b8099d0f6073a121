/**
 * @file Prompts to pictures with one model: text, denoising with classifier-free guidance (arXiv 2207.12598),
 * decoding. Holds its sessions, so that further requests of the same size start at once; adapters are inputs of them.
 */
import { KronaError } from '../../storage/errors.ts';
import type { SchedulerName } from '../../storage/settings.ts';
import { layersOf, withoutScales, type AdapterShapes } from '../adapters/adapter.ts';
import { adapterBase } from '../adapters/adapter-base.ts';
import {
  adapterFeeds,
  adapterInputs,
  shapesKey,
  strengthFeeds,
  type AppliedAdapter,
} from '../adapters/adapter-inputs.ts';
import { noiseStrengthOf } from '../adapters/adapter-info.ts';
import { readAdapter } from '../adapters/read-adapter.ts';
import { compile } from '../graph/compile.ts';
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
import { createNoise, variedNoise } from './noise.ts';
import { createScheduler } from './schedulers/create-scheduler.ts';
import { trainTimesteps } from './schedulers/noise-levels.ts';
import { firstStep } from './schedulers/picture-start.ts';
import type { Scheduler } from './schedulers/scheduler.ts';
import { SessionCache } from './session-cache.ts';

export interface DrawRequest {
  readonly prompt: string;
  /** null: as the folder's force_zeros_for_empty_prompt says. */
  readonly negative: string | null;
  /** null: the model alone. The changes of several add up. */
  readonly adapter: AppliedAdapter | readonly AppliedAdapter[] | null;
  readonly steps: number;
  readonly guidance: number;
  readonly scheduler: SchedulerName | null;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly count: number;
  /** Seed of the picture that these vary, after those of the pictures that it varied itself; none by default. */
  readonly varies?: readonly number[];
  readonly noise: 'torch' | 'krona';
  /** Start from pictures instead of pure noise. Their noise is that of the level at which the run then begins. */
  readonly start?: StartPicture;
}

export interface StartPicture {
  /** [count,4,h,w], scaled, as `latentsOf` gives them. */
  readonly latents: Float32Array;
  /** Share of the steps that are done, in (0, 1]: how much may change. */
  readonly strength: number;
}

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

export class TextToImage {
  readonly model: ModelFolder;
  readonly #text: TextEncoder;
  readonly #unets = new SessionCache<Session>(KEPT);
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
    const { layers, metadata } = await readAdapter(path, adapterBase(this.model));
    const noiseStrength = noiseStrengthOf(metadata);
    return {
      layers: withoutScales(layers),
      strength,
      ...(noiseStrength === undefined ? {} : { noiseStrength }),
    };
  }

  /** @throws KronaError SIZE_INVALID, SCHEDULER_UNSUPPORTED, STEPS_INVALID; and the signal's reason when it aborts */
  async draw(request: DrawRequest, hooks: DrawHooks = {}): Promise<DrawnPicture[]> {
    const { width, height, count } = request;
    const latents = await this.denoise(request, hooks);
    const decoder = await this.#decoders.get(`${width}x${height}`, () =>
      openDecoder(this.model, width, height),
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

  /** The latents [4,h,w] of a picture, scaled as the UNet sees them: the mean of what the VAE makes of it. */
  async latentsOf({ width, height, pixels }: DrawnPicture): Promise<Float32Array> {
    this.#checkSize(width, height);
    const { scaling_factor: factor, shift_factor: shift } = this.model.vae.config;
    // Rarely needed and large, so it is not kept.
    const encoder = await openEncoder(this.model, width, height);
    try {
      const { mean } = await encoder.encode(fromBytes(pixels, width * height));
      return mean.map((x) => (x - shift) * factor);
    } finally {
      await encoder.release();
    }
  }

  /** The final latents [count,4,h,w], still scaled. */
  async denoise(request: DrawRequest, { onStep, turn, signal }: DrawHooks = {}): Promise<Float32Array> {
    const { config } = this.model.unet;
    const { steps, guidance, width, height, count } = request;
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
    const source = createNoise(request.noise, request.seed);
    const noise = () => source.draw(count, size / count);
    const first = variedNoise(request.varies ?? [], noise(), size / count);
    const start = request.start ? startFrom(request.start, steps, scheduler, first) : null;
    let sample = start?.sample ?? first.map((x) => x * scheduler.initNoiseSigma);
    const from = start?.call ?? 0;
    const calls = scheduler.timesteps.length - from;
    const trained = trainTimesteps(new ConfigFields('scheduler/scheduler_config.json', this.model.scheduler));
    for (let i = from; i < scheduler.timesteps.length; i++) {
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
      const output = (await session.run(feeds))['prediction'] as Float32Array;
      sample = scheduler.step(guided ? guide(output, guidance) : output, i, sample, noise);
      onStep?.(i - from + 1, calls);
    }
    return sample;
  }

  /** @returns pixels per latent @throws KronaError SIZE_INVALID */
  #checkSize(width: number, height: number): number {
    const scale = vaeScale(this.model.vae.config);
    if (width % scale === 0 && height % scale === 0 && width >= scale && height >= scale) return scale;
    throw new KronaError(
      'SIZE_INVALID',
      `A picture of ${width}×${height} pixels cannot be drawn; both sides must be multiples of ${scale}.`,
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
  ): Promise<Session> {
    const { config, tensors, name } = this.model.unet;
    return this.#unets.get(`${rows}x${height}x${width} ${shapesKey(adapters)}`, () => {
      const inputs = unetInputs(config, rows, height, width, this.#text.tokens);
      const parameters = adapterInputs(adapters)(frozenParameters(name, tensors), '');
      return Session.create(compile({ prediction: unet(config, parameters, inputs) }));
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

/** Where a run from a picture begins, and its first sample. */
function startFrom(
  { latents, strength }: StartPicture,
  steps: number,
  scheduler: Scheduler,
  noise: Float32Array,
): { call: number; sample: Float32Array } {
  if (latents.length !== noise.length)
    throw new RangeError(`start.latents has ${latents.length} numbers, not ${noise.length}`);
  const { call, signal, sigma } = scheduler.startOf(firstStep(steps, strength));
  return { call, sample: latents.map((x, i) => signal * x + sigma * noise[i]!) };
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

/** unconditional + guidance · (conditional - unconditional); the two halves of the output. */
function guide(output: Float32Array, guidance: number): Float32Array {
  const half = output.length / 2;
  return Float32Array.from(
    { length: half },
    (_, i) => output[i]! + guidance * (output[half + i]! - output[i]!),
  );
}

/** Interleaved bytes to [3,H,W] in [-1,1]. */
function fromBytes(pixels: Uint8Array, area: number): Float32Array {
  const picture = new Float32Array(3 * area);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++) picture[c * area + i] = pixels[3 * i + c]! / 127.5 - 1;
  return picture;
}

/** [3,H,W] around [-1,1] to interleaved bytes, rounded as diffusers does. */
function toBytes(picture: Float32Array, area: number): Uint8Array {
  const bytes = new Uint8Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) {
      const unit = Math.min(1, Math.max(0, picture[c * area + i]! / 2 + 0.5));
      bytes[3 * i + c] = Math.round(unit * 255);
    }
  }
  return bytes;
}
