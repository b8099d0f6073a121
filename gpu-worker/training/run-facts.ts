/** @file Facts about a run: those that a later attempt must match to resume it, and those in the adapter's file. */
import type { AdapterInfo } from '../adapters/files/adapter-info.ts';
import { ADAPTER_METHODS } from '../adapters/methods.ts';
import { modelFingerprint } from '../models/fingerprint.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { DEFAULT_BACKGROUND, DEFAULT_CUTS } from './photo-cache.ts';
import type { TrainOptions } from './train-options.ts';

/** Everything that decides the result, so that a run doesn't resume with different options. */
export function runKey(options: TrainOptions): string {
  const {
    steps,
    out: _out,
    resume: _resume,
    trace: _trace,
    checkpointEvery: _every,
    stateSeconds: _seconds,
    ...rest
  } = options;
  return JSON.stringify({
    ...rest,
    photos: rest.photos.length,
    masks: rest.masks?.map((mask) => mask !== null),
    prior: rest.prior && { ...rest.prior, folder: undefined },
    // With a schedule that ends, every step depends on their total number.
    ...((rest.lrSchedule ?? 'constant') === 'constant' ? {} : { steps }),
  });
}

/** Metadata of the adapter's file; omits unset options. */
export async function adapterInfoOf(
  model: ModelFolder,
  options: TrainOptions,
  predictionType: string,
): Promise<AdapterInfo> {
  const { method, lr, warmup, batch, accumulation, weightDecay, maxGradNorm, prompt } = options;
  const { factors, targets, init, noiseStrength } = options;
  const facts = ADAPTER_METHODS[method].facts(options);
  return {
    baseModel: model.name,
    baseHash: await modelFingerprint(model),
    ...facts,
    ...(noiseStrength === undefined ? {} : { noiseStrength }),
    subjectToken: options.subjectToken,
    subjectClass: options.subjectClass,
    steps: options.steps,
    seed: options.seed,
    resolution: options.resolution,
    predictionType,
    settings: {
      method,
      ...facts,
      ...(factors ? { factors } : {}),
      ...(targets ? { targets } : {}),
      ...(init ? { init } : {}),
      lr,
      warmup,
      batch,
      accumulation,
      weight_decay: weightDecay,
      max_grad_norm: maxGradNorm,
      prompt,
      photos: options.photos.length,
      ...furtherSettings(options),
    },
  };
}

function furtherSettings(options: TrainOptions): Readonly<Record<string, unknown>> {
  const { lrSchedule, captions, crop, flip, buckets, mask, prior, minSnr, offsetNoise, noiseStrength } =
    options;
  return {
    ...(lrSchedule && lrSchedule !== 'constant' ? { lr_schedule: lrSchedule } : {}),
    ...(captions?.some((caption) => caption !== null) ? { captions } : {}),
    ...(crop === 'random' ? { crop, cuts: options.cuts ?? DEFAULT_CUTS } : {}),
    ...(flip ? { flip } : {}),
    ...(buckets ? { buckets } : {}),
    ...(mask ? { mask, background: options.background ?? DEFAULT_BACKGROUND } : {}),
    ...(prior
      ? { class_prompt: prior.prompt, class_pictures: prior.pictures, prior_weight: prior.weight }
      : {}),
    ...(minSnr === undefined ? {} : { min_snr: minSnr }),
    ...(offsetNoise ? { offset_noise: offsetNoise } : {}),
    ...(noiseStrength === undefined ? {} : { noise_strength: noiseStrength }),
  };
}
