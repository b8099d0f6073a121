/**
 * @file Draws pictures from prompts with one model: text encoding, denoising with classifier-free guidance (arXiv
 * 2207.12598), decoding. Keeps its sessions, so that further requests of the same size start immediately; adapters are
 * session inputs.
 */
import { basename } from 'node:path';
import { at } from '../../core/at.ts';
import { concatenated } from '../../core/concatenated.ts';
import { KronaError } from '../../core/errors.ts';
import { weightedSpans } from '../../core/prompts/weights.ts';
import type { PromptLength } from '../../core/records.ts';
import type { Quality, SchedulerName } from '../../core/settings/choices.ts';
import { layersOf, withoutScales } from '../adapters/adapter.ts';
import { adapterBase } from '../adapters/files/adapter-base.ts';
import {
  adapterFeeds,
  adapterInputs,
  shapesKey,
  strengthFeeds,
  type AppliedAdapter,
} from '../adapters/adapter-inputs.ts';
import { noiseStrengthOf, subjectOf } from '../adapters/files/adapter-info.ts';
import { checkAdapter, readAdapter } from '../adapters/files/read-adapter.ts';
import { checkStatedBase } from '../adapters/files/stated-facts.ts';
import { isLimited, keepReleasable } from '../graph/room.ts';
import type { Feeds } from '../graph/runtime.ts';
import { timeIds } from '../models/architecture.ts';
import type { EncodedPicture } from '../models/autoencoder.ts';
import { ConfigFields } from '../models/config-fields.ts';
import { checkFinite } from '../models/finite.ts';
import { isInpainting } from '../models/inpainting.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openModel } from '../models/open-model.ts';
import { commonChunks, lengthened } from '../models/equal-lengths.ts';
import { TextEncoder, type EncodedPrompt } from '../models/text-encoder.ts';
import { vaeScale } from '../models/vae.ts';
import { guide } from './guidance.ts';
import { InpaintingChannels } from './inpainting-channels.ts';
import { drawnAnew, KeptLatents, latentMask } from './kept-latents.ts';
import { createNoise, variedNoise, type NoiseSource } from './noise.ts';
import { fromBytes, toBytes } from '../../core/pictures/rgb-bytes.ts';
import { cleanEstimate } from './schedulers/clean-estimate.ts';
import { createScheduler } from './schedulers/create-scheduler.ts';
import { alphasCumprod, trainTimesteps } from './schedulers/noise-levels.ts';
import { firstStep, handover } from './schedulers/picture-start.ts';
import type { Scheduler } from './schedulers/scheduler.ts';
import { PictureDecoder } from './picture-decoder.ts';
import { PictureEncoder, withoutPart } from './picture-encoder.ts';
import { SessionCache } from './session-cache.ts';
import { ReferenceStates, Steering, type Steer } from './steering.ts';
import { Reuse, savingsOf } from './quality.ts';
import {
  backOf,
  inView,
  mergedPredictions,
  regionGroups,
  regionShares,
  viewOf,
  type View,
} from './regions.ts';
import { UNetRuns, type UNetBatch } from './unet-runs.ts';
import { zip2 } from './zip.ts';

export interface DrawRequest {
  /** With weights as core/prompts/weights.ts reads them. */
  readonly prompt: string;
  /** null: the folder's force_zeros_for_empty_prompt decides. */
  readonly negative: string | null;
  /** null: the model alone. Several add up, unless they have regions (regions.ts). */
  readonly adapter: AppliedAdapter | readonly AppliedAdapter[] | null;
  readonly steps: number;
  readonly guidance: number;
  /**
   * Guidance rescale, in [0, 1]: how far guided outputs return to the standard deviation of unguided ones; 0 by
   * default.
   */
  readonly guidanceRescale?: number;
  readonly scheduler: SchedulerName | null;
  /** Fields in place of those of the model's scheduler config; with `scheduler` null, its class too. None by default. */
  readonly schedulerFields?: Readonly<Record<string, unknown>>;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly count: number;
  /** Seed of the picture to vary, preceded by the seeds of the pictures that it varied; none by default. */
  readonly varies?: readonly number[];
  readonly noise: 'torch' | 'krona';
  /** Start from latents instead of pure noise. */
  readonly start?: StartPicture;
  /** `fast` trades exactness for time (quality.ts); `exact` by default. */
  readonly quality?: Quality;
  /** Whether pictures are decoded in tiles (tiles.ts); their size decides by default. */
  readonly tiled?: boolean;
  /** Stop after this share of the noise levels, in (0, 1); 1 by default. */
  readonly until?: number;
  /** Pictures of this size to draw more like, and less like; none by default. */
  readonly steer?: Steer;
}

export type StartPicture = {
  /** [count,4,h,w], scaled, as `startFrom` gives them of one picture. */
  readonly latents: Float32Array;
  /** Draw only a part anew: 1 there, [h,w], as `latentMask` gives it. Not with `until` and `from`. */
  readonly mask?: Uint8Array;
  /** The picture with that part grey, which a UNet for inpainting reads; everything is by default. */
  readonly withoutPart?: EncodedPicture;
} & (
  | {
      /** Share of the steps to run, in (0, 1]: how much can change. Noise of their first level is added. */
      readonly strength: number;
    }
  | {
      /** Continue a run that stopped at this `until`. */
      readonly from: number;
    }
);

/** A start from a picture, of which some of the steps are run. */
export type PictureStart = Extract<StartPicture, { strength: number }>;

export interface DrawHooks {
  /** After each denoising step, from 1. */
  readonly onStep?: (step: number, steps: number) => void;
  /** After each step but the last, the clean latents [count,C,h,w] that the model expects, scaled. */
  readonly onEstimate?: (latents: Float32Array) => Promise<void>;
  readonly turn?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface DrawnPicture {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, rows from the top. */
  readonly pixels: Uint8Array;
}

/** Checks that an adapter can be read for a model, by its header. @throws KronaError ADAPTER_* if it doesn't fit */
export async function checkAdapterFor(model: ModelFolder, path: string): Promise<void> {
  const { metadata } = await checkAdapter(path, adapterBase(model));
  await checkStatedBase(basename(path), metadata, model);
}

/** Of a prompt beside its negative prompt: two of up to 16 chunks, 1,200 tokens, are exact. */
const MOST_CHUNKS = 256;

export class TextToImage {
  readonly model: ModelFolder;
  readonly #text: TextEncoder;
  readonly #unets: UNetRuns;
  readonly #references: ReferenceStates;
  readonly #pictures: PictureEncoder;
  readonly #decoder: PictureDecoder;
  readonly #forget: () => void;
  /** Whether adapters change the text encoders. */
  readonly #adaptedTexts = new SessionCache<TextEncoder>(1);

  private constructor(model: ModelFolder, text: TextEncoder) {
    this.model = model;
    this.#text = text;
    this.#unets = new UNetRuns(model);
    this.#references = new ReferenceStates(model);
    this.#pictures = new PictureEncoder(model);
    this.#decoder = new PictureDecoder(model);
    this.#forget = keepReleasable(() => this.#releaseSome());
  }

  /**
   * @param source path of a folder or single file, or an open model
   * @throws KronaError MODEL_*
   */
  static async open(source: string | ModelFolder): Promise<TextToImage> {
    const model = typeof source === 'string' ? await openModel(source) : source;
    return new TextToImage(model, await TextEncoder.open(model));
  }

  /** Any adapter file, or PEFT's folder. @throws KronaError ADAPTER_* if it doesn't fit this model */
  async readAdapter(path: string, strength = 1): Promise<AppliedAdapter> {
    const { layers, metadata, notes } = await readAdapter(path, adapterBase(this.model));
    await checkStatedBase(basename(path), metadata, this.model);
    const noiseStrength = noiseStrengthOf(metadata);
    const subject = subjectOf(metadata);
    return {
      layers: withoutScales(layers),
      strength,
      ...(noiseStrength === undefined ? {} : { noiseStrength }),
      ...(subject === undefined ? {} : { subject }),
      notes,
    };
  }

  /**
   * @throws KronaError SIZE_INVALID, SCHEDULER_UNSUPPORTED, STEPS_INVALID, PROMPT_WEIGHT_INVALID, RESULT_NOT_FINITE; and
   * the signal's reason when it aborts
   */
  async draw(
    request: DrawRequest,
    hooks: DrawHooks = {},
    source: NoiseSource = createNoise(request.noise, request.seed),
  ): Promise<DrawnPicture[]> {
    const { width, height, count } = request;
    const latents = await this.denoise(request, hooks, source);
    const each = latents.length / count;
    const pictures: DrawnPicture[] = [];
    for (let i = 0; i < count; i++) {
      await hooks.turn?.();
      hooks.signal?.throwIfAborted();
      const part = latents.subarray(i * each, (i + 1) * each);
      const decoded = await this.#decoder.decode(part, request, () => this.#unets.resident);
      await checkFinite(decoded, 'Decoding by the VAE', this.model);
      pictures.push({
        width,
        height,
        pixels: toBytes(decoded),
      });
    }
    return pictures;
  }

  /** The latents [C,h,w] of a picture, scaled as the UNet sees them. @throws KronaError SIZE_INVALID */
  async latentsOf({ width, height, pixels }: DrawnPicture): Promise<Float32Array> {
    this.#checkSize(width, height);
    return this.#pictures.scaled(at(await this.#pictures.encode({ width, height }, [fromBytes(pixels)]), 0));
  }

  /**
   * How a run of one picture begins with another.
   *
   * @param how share of the steps to run, and the part to draw anew, 8 bits a pixel; everything by default
   * @param source samples from the VAE's distribution before any other noise, as diffusers' pipelines do; by default,
   * the mean
   * @throws KronaError MASK_EMPTY, SIZE_INVALID
   */
  async startFrom(
    { width, height, pixels }: DrawnPicture,
    { strength, mask }: { readonly strength: number; readonly mask?: Uint8Array | null },
    source?: NoiseSource,
  ): Promise<PictureStart> {
    this.#checkSize(width, height);
    const part = mask ? { mask: this.latentMask(mask, width, height) } : {};
    const picture = fromBytes(pixels);
    const inpaints = isInpainting(this.model);
    const hidden = mask && inpaints ? [withoutPart(picture, drawnAnew(mask))] : [];
    const encoded = await this.#pictures.encode({ width, height }, [picture, ...hidden]);
    // A UNet for inpainting that begins with noise alone reads nothing of the picture's own latents.
    const sampled = inpaints && strength === 1 ? undefined : source;
    const latents = this.#pictures.scaled(at(encoded, 0), sampled);
    return { latents, strength, ...part, ...(encoded[1] && { withoutPart: encoded[1] }) };
  }

  /**
   * A mask of a picture at the size of its latents, [h,w].
   *
   * @param mask 8 bits a pixel, from 128 on drawn anew
   * @throws KronaError MASK_EMPTY, SIZE_INVALID
   */
  latentMask(mask: Uint8Array, width: number, height: number): Uint8Array {
    const small = latentMask(mask, width, height, this.#checkSize(width, height));
    if (small.includes(1)) return small;
    throw new KronaError(
      'MASK_EMPTY',
      'The part to draw again is too small for this model. Choose a larger one.',
    );
  }

  /**
   * The final latents [count,4,h,w], still scaled.
   *
   * @param source of the noise, a new one by default; a second run can share the first one's
   */
  async denoise(
    request: DrawRequest,
    { onStep, onEstimate, turn, signal }: DrawHooks = {},
    source: NoiseSource = createNoise(request.noise, request.seed),
  ): Promise<Float32Array> {
    const { steps, guidance, guidanceRescale = 0, count } = request;
    const schedulerConfig = { ...this.model.scheduler, ...request.schedulerFields };
    const scheduler = createScheduler(request.scheduler, schedulerConfig, steps);
    const guided = this.#isGuided(guidance);
    const parts = await this.#parts(request, guided);
    const { batch } = at(parts, 0);
    const size = this.model.vae.config.latent_channels * batch.height * batch.width * count;
    const noise = () => source.draw(count, size / count);
    const first = () => variedNoise(request.varies ?? [], noise(), size / count);
    const { call: from, sample: start, kept } = this.#startOf(request, scheduler, first, source, size);
    const beside = isInpainting(this.model) ? await this.#inpainting(request, source) : null;
    const rowsOf = (latents: Float32Array, rows: number) => beside?.after(latents, rows) ?? latents;
    const end =
      request.until === undefined
        ? scheduler.timesteps.length
        : this.#callAt(request.until, scheduler, steps);
    let sample = start;
    const trained = this.#trainedTimesteps();
    const steering = request.steer && (await this.#steeringOf(request.steer, request, guided));
    const savings = savingsOf(request.quality ?? 'exact', end - from, this.model);
    const reuses = parts.map(() => new Reuse(savings));
    const estimateOf = onEstimate && cleanEstimate(schedulerConfig);
    for (let i = from; i < end; i++) {
      const timestep = at(scheduler.timesteps, i);
      await turn?.();
      signal?.throwIfAborted();
      const isSteered = steering !== undefined && (i - from) / (end - from) < steering.until;
      const scaled = scheduler.scaleModelInput(sample, i);
      const latents = rowsOf(perRow(guided ? [scaled, scaled] : [scaled], 1), batch.rows);
      const predictions: Float32Array[] = [];
      for (const [n, part] of parts.entries()) {
        const shared = { ...part.adapted, ...strengthFeeds(part.adapters, timestep, trained) };
        const steered = isSteered ? await steering.at(i, timestep, part.batch, part.fixed, shared) : null;
        const feeds = {
          ...part.fixed,
          latents: inView(latents, part.view, batch),
          timesteps: new Float32Array(batch.rows).fill(timestep),
          ...steered?.feeds,
        };
        const asked = steered ? { ...part.batch, beside: steered.pictures } : part.batch;
        const seen = await at(reuses, n).predict(i - from, asked, (cheaper, more) =>
          this.#unets.predict(cheaper, { ...feeds, ...more }, shared),
        );
        predictions.push(inView(seen, backOf(part.view), batch));
      }
      const prediction = mergedPredictions(
        predictions,
        parts.map(({ share }) => share),
      );
      const led = guided ? guide(prediction, guidance, guidanceRescale, count) : prediction;
      const estimate = i < end - 1 ? estimateOf?.(scaled, led, timestep) : null;
      sample = scheduler.step(led, i, sample, noise);
      if (kept) sample = kept.after(i, sample);
      if (estimate) await onEstimate?.(estimate);
      onStep?.(i - from + 1, end - from);
    }
    await checkFinite(sample, 'Denoising', this.model);
    return sample;
  }

  /** What the model predicts in each step: once, or once for each region that has adapters of its own. */
  async #parts(request: DrawRequest, guided: boolean) {
    const groups = regionGroups([request.adapter ?? []].flat());
    const parts: PredictedPart[] = [];
    for (const { adapters: own, place } of groups) {
      const asked = { ...request, adapter: own, prompt: place?.first?.prompt ?? request.prompt };
      const adapters = partOf(asked, ['']);
      const { batch, fixed } = await this.#unchangingInputs(asked, guided);
      const share = new Float32Array(batch.height * batch.width).fill(1);
      const view = viewOf(place, batch.height, batch.width);
      parts.push({ batch, fixed, adapters, adapted: adapterFeeds(adapters), share, view });
    }
    const regions = groups.flatMap(({ place }) => place?.region ?? []);
    const { height, width } = at(parts, 0).batch;
    const shares = regionShares(regions, height, width);
    return parts.map((part, n) => ({ ...part, share: shares[n] ?? part.share }));
  }

  /** What all steps of a request share: the shapes of a run, and the feeds beside latents, timesteps and adapters. */
  async #unchangingInputs(request: DrawRequest, guided: boolean) {
    const { config } = this.model.unet;
    const { guidance, width, height, count } = request;
    const scale = this.#checkSize(width, height);
    const text = await this.#conditioning(request, guided);
    const states = text.map((part) => part.states);
    const batch = {
      rows: guided ? 2 * count : count,
      height: height / scale,
      width: width / scale,
      tokens: at(states, 0).length / this.#text.width,
      adapters: partOf(request, ['']).map(({ layers }) => layers),
    };
    const fixed = {
      encoder_hidden_states: perRow(states, count),
      ...(config.addition_embed_type !== null && this.#pictureFeeds(text, width, height, count)),
      ...(config.time_cond_proj_dim !== undefined && {
        guidance: new Float32Array(batch.rows).fill(guidance - 1),
      }),
    };
    return { batch, fixed };
  }

  /**
   * How many pictures of a request to draw together: on a card, as many as one run has memory for. A card that does not
   * tell its memory, and the CPU, draw one by one: together takes 7% less time there, but each picture appears later.
   *
   * @throws KronaError DEVICE_TOO_SMALL
   */
  async picturesAtOnce(request: DrawRequest): Promise<number> {
    if (!isLimited()) return 1;
    const { width, height, count, guidance } = request;
    const guided = this.#isGuided(guidance);
    const scale = this.#checkSize(width, height);
    const [first] = await this.#conditioning(request, guided);
    const batch = {
      rows: guided ? 2 * count : count,
      height: height / scale,
      width: width / scale,
      tokens: (first?.states.length ?? 0) / this.#text.width,
      adapters: partOf(request, ['']).map(({ layers }) => layers),
    };
    return Math.max(1, Math.floor(this.#unets.rowsAtOnce(batch) / (guided ? 2 : 1)));
  }

  async #steeringOf(steer: Steer, request: DrawRequest, guided: boolean): Promise<Steering> {
    const levels = alphasCumprod(new ConfigFields('scheduler/scheduler_config.json', this.model.scheduler));
    const beside = isInpainting(this.model) ? await this.#everywhere(request) : null;
    return new Steering(this.#references, steer, { levels, count: request.count, guided, beside });
  }

  /** What a UNet for inpainting reads beside the latents: with torch's noise, latents sampled after the run's own. */
  async #inpainting(request: DrawRequest, source: NoiseSource): Promise<InpaintingChannels> {
    const sampled = request.noise === 'torch' ? source : undefined;
    const { mask, withoutPart: rest } = request.start ?? {};
    if (mask === undefined || rest === undefined) return this.#everywhere(request, sampled);
    return new InpaintingChannels(mask, this.#pictures.scaled(rest, sampled));
  }

  async #everywhere(size: DrawRequest, source?: NoiseSource): Promise<InpaintingChannels> {
    const latents = this.#pictures.scaled(await this.#pictures.blank(size), source);
    return InpaintingChannels.everywhere(latents, latents.length / this.model.vae.config.latent_channels);
  }

  /** Whether the model predicts a second time without the prompt: not if it reads the guidance scale itself. */
  #isGuided(guidance: number): boolean {
    return guidance > 1 && this.model.unet.config.time_cond_proj_dim === undefined;
  }

  /** The first call of the model, the sample before it, and what of it is kept. */
  #startOf(
    { start, steps, count, noise: kind }: DrawRequest,
    scheduler: Scheduler,
    first: () => Float32Array,
    source: NoiseSource,
    size: number,
  ): { readonly call: number; readonly sample: Float32Array; readonly kept?: KeptLatents } {
    const pure = (noise: Float32Array) => noise.map((x) => x * scheduler.initNoiseSigma);
    if (start === undefined) return { call: 0, sample: pure(first()) };
    const { latents, mask } = start;
    const inpaints = isInpainting(this.model);
    if (latents.length !== size)
      throw new RangeError(`start.latents has ${latents.length} numbers, not ${size}`);
    if ('from' in start) return { call: this.#callAt(start.from, scheduler, steps), sample: latents };
    const { call, signal, sigma } = scheduler.startOf(firstStep(steps, start.strength));
    const noise = first();
    const noisy = () => zip2(latents, noise, (x, fresh) => signal * x + sigma * fresh);
    // All of the part can change: nothing of it is left.
    const sample = start.strength === 1 && (inpaints || mask) ? pure(noise) : noisy();
    if (mask === undefined || inpaints) return { call, sample };
    // diffusers also samples latents of the picture without the masked part, which only UNets for inpainting read.
    if (kind === 'torch') source.draw(1, size / count);
    return { call, sample, kept: new KeptLatents(latents, noise, mask, scheduler, steps) };
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
      `Width and height must be multiples of ${scale}, such as ${near(width)}×${near(height)}; you gave ${width}×${height}.`,
    );
  }

  async release(): Promise<void> {
    this.#forget();
    await this.#releaseSome();
    await this.#text.release();
  }

  /** All but the text encoders, which are opened only once. */
  async #releaseSome(): Promise<void> {
    await this.#unets.release();
    await this.#references.release();
    await this.#decoder.release();
    await this.#adaptedTexts.release();
  }

  /** Text for each part of the batch, of one length: without the prompt first, in diffusers' order. */
  async #conditioning(request: DrawRequest, guided: boolean): Promise<EncodedPrompt[]> {
    const { prompt, negative } = request;
    const { text, feeds } = await this.#encoder(request);
    const positive = await text.encode(weightedSpans(prompt), feeds);
    if (!guided) return [positive];
    const zeros = negative === null && this.model.forceZerosForEmptyPrompt;
    const parts = [zeros ? text.zeros() : await text.encode(weightedSpans(negative ?? ''), feeds), positive];
    const chunks = parts.map((part) => text.chunksOf(part));
    const all = commonChunks(chunks, MOST_CHUNKS);
    if (chunks.every((own) => own === all)) return parts;
    const empty = await text.encode('', feeds);
    return parts.map((part) => ({ ...part, states: lengthened(part.states, all, empty.states) }));
  }

  /** How long a prompt is to this model: it is read in chunks, however many there are. */
  promptLength(prompt: string): PromptLength {
    return this.#text.measure(weightedSpans(prompt));
  }

  /** Pooled text and size conditioning of each row, for models that take them. */
  #pictureFeeds(text: readonly EncodedPrompt[], width: number, height: number, count: number) {
    const sizes = [height, width, 0, 0, height, width] as const;
    const ids = text.map((_, i) =>
      // The last part is the prompt; the negative prompt precedes it.
      Float32Array.from(timeIds(this.model.architecture, sizes, i === text.length - 1)),
    );
    const pooled = text.map((part) => part.pooled);
    return { text_embeds: perRow(pooled, count), time_ids: perRow(ids, count) };
  }

  /** The text encoders, changed by the adapters that cover them. */
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
}

/** One of the predictions of a step. */
interface PredictedPart {
  readonly batch: UNetBatch;
  readonly fixed: Readonly<Record<string, Float32Array>>;
  readonly adapters: readonly AppliedAdapter[];
  readonly adapted: Feeds;
  /** How much it counts at each place [h,w]. */
  readonly share: Float32Array;
  readonly view: View;
}

/** The parts of a request's adapters under `prefixes`, omitting adapters without any. */
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
const perRow = (parts: readonly Float32Array[], count: number): Float32Array =>
  concatenated(parts.flatMap((part) => Array<Float32Array>(count).fill(part)));
