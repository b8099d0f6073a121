/** @file The facts about a run in its adapter's file. */
import type { AdapterInfo } from '../adapters/files/adapter-info.ts';
import { ADAPTER_METHODS } from '../adapters/methods.ts';
import { modelFingerprint } from '../models/fingerprint.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { DEFAULT_BACKGROUND, DEFAULT_CUTS } from './photo-cache.ts';
import type { TrainOptions } from './train-options.ts';

/** What the adapter's file says; options that are left out say nothing. */
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
  const {
    keep,
    lrSchedule,
    captions,
    crop,
    flip,
    buckets,
    mask,
    prior,
    priorL2,
    minSnr,
    offsetNoise,
    noiseStrength,
    refine,
  } = options;
  return {
    ...(keep === 'best' ? { keep } : {}),
    ...(lrSchedule && lrSchedule !== 'constant' ? { lr_schedule: lrSchedule } : {}),
    ...(captions?.some((caption) => caption !== null) ? { captions } : {}),
    ...(crop === 'random' ? { crop, cuts: options.cuts ?? DEFAULT_CUTS } : {}),
    ...(flip ? { flip } : {}),
    ...(buckets ? { buckets } : {}),
    ...(mask ? { mask, background: options.background ?? DEFAULT_BACKGROUND } : {}),
    ...(prior
      ? { class_prompt: prior.prompt, class_pictures: prior.pictures, prior_weight: prior.weight }
      : {}),
    ...(priorL2 === undefined ? {} : { prior_l2: priorL2 }),
    ...(minSnr === undefined ? {} : { min_snr: minSnr }),
    ...(offsetNoise ? { offset_noise: offsetNoise } : {}),
    ...(noiseStrength === undefined ? {} : { noise_strength: noiseStrength }),
    ...(refine && {
      refine: {
        pairs: refine.pairs.length,
        examples: refine.examples.length,
        preference: refine.preference,
        beta: refine.beta,
        photo_weight: refine.photoWeight,
        example_steps: refine.exampleSteps,
      },
    }),
  };
}
