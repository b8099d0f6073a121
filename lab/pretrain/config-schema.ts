/**
 * @file The schema of the keys `data` and `training` of a pretraining configuration, and a check that names the first
 * wrong value.
 */
import * as v from 'valibot';
import { KronaError } from '../../core/errors.ts';
import { SMALLEST_VOCABULARY } from './bpe.ts';
import { artSets, type PretrainData } from './concepts.ts';

const whole = (least: number) =>
  v.pipe(v.number(), v.safeInteger('a whole number'), v.minValue(least, `at least ${least}`));
const multipleOf = (divisor: number) =>
  v.pipe(whole(divisor), v.multipleOf(divisor, `a multiple of ${divisor}`));
const between = (low: number, high: number) => {
  const words = `a number from ${low} to ${high}`;
  return v.pipe(v.number(), v.minValue(low, words), v.maxValue(high, words));
};
const share = between(0, 1);
const word = v.pipe(
  v.string(),
  v.regex(/^[\p{Ll}\p{Lo}\p{N}][\p{Ll}\p{Lo}\p{N} '-]*$/u, 'words in lower case'),
);
const list = <const Item extends v.GenericSchema>(item: Item) => v.pipe(v.array(item), v.minLength(1));

export const dataSchema: v.GenericSchema<unknown, PretrainData> = v.strictObject({
  // The autoencoder divides by 8, and the UNet by 2 once more.
  size: multipleOf(16),
  concepts: list(
    v.strictObject({
      hex: v.pipe(
        v.string(),
        v.regex(/^[0-9A-F]+(-[0-9A-F]+)*$/, 'code points in upper-case hexadecimal, joined by -'),
      ),
      word,
      also: v.exactOptional(v.array(word)),
      noArticle: v.exactOptional(v.boolean()),
      noMirror: v.exactOptional(v.boolean()),
      face: v.exactOptional(v.boolean()),
    }),
  ),
  styles: list(v.strictObject({ word, set: v.picklist(artSets), media: v.exactOptional(list(word)) })),
  wearables: v.exactOptional(
    list(
      v.strictObject({
        hex: v.string(),
        where: v.picklist(['head', 'eyes']),
        width: between(0.1, 2),
      }),
    ),
  ),
  backgrounds: list(
    v.strictObject({ name: word, rgb: v.strictTuple([between(0, 255), between(0, 255), between(0, 255)]) }),
  ),
  backgroundJitter: between(0, 255),
  // A modulus of 1 would hold out everything.
  heldOut: v.strictObject({ modulus: whole(2) }),
  placement: v.strictObject({
    frame: between(0.1, 1),
    scale: v.strictTuple([between(0.1, 1), between(0.1, 1)]),
    shift: share,
    mirror: share,
    rotate: v.strictObject({ share, degrees: between(0, 180) }),
    corners: share,
    counts: share,
    pairs: share,
    recolours: share,
    wearing: v.exactOptional(share),
    sizes: v.exactOptional(share),
    creatures: v.exactOptional(share),
    places: v.exactOptional(share),
    effects: v.exactOptional(share),
  }),
  captions: v.strictObject({
    empty: share,
    short: share,
    synonym: share,
    filler: v.exactOptional(share),
    unknown: v.exactOptional(share),
  }),
  crops: v.strictObject({ side: whole(1), wild: share }),
  tokenizer: v.strictObject({ vocabularySize: whole(SMALLEST_VOCABULARY), maxLength: whole(4) }),
});

export interface StageSettings {
  readonly batch: number;
  readonly steps: number;
  /** Peak learning rate: reached after `warmup` steps, then falling to 0 along a half cosine. */
  readonly lr: number;
  readonly warmup: number;
  readonly averageDecay: number;
  /** Default `adamw`. */
  readonly optimizer?: 'adamw' | 'muon';
}

export interface DiffusionSettings extends StageSettings {
  /** Gamma of min-SNR loss weighting (arXiv 2303.09556); default: all timesteps weigh the same. */
  readonly minSnr?: number;
  /**
   * Draws more timesteps with little noise below 1, with much noise above: u becomes s·u / (1 + (s − 1)·u), as eq. 23 of
   * arXiv 2403.03206 shifts noise. Default 1: all are as likely.
   */
  readonly timestepShift?: number;
}

export interface TrainingSettings {
  readonly seed: number;
  readonly autoencoder: StageSettings & { readonly kl: number };
  readonly latents: { readonly pictures: number; readonly batch: number };
  readonly diffusion: DiffusionSettings;
}

const stage = {
  batch: whole(1),
  steps: whole(1),
  lr: between(0, 1),
  warmup: whole(0),
  averageDecay: v.pipe(v.number(), v.minValue(0, 'at least 0'), v.ltValue(1, 'less than 1')),
  optimizer: v.exactOptional(v.picklist(['adamw', 'muon'])),
};

/** Pictures per latent file: the most work lost when a run is stopped. */
export const LATENTS_A_FILE = 1024;

export const trainingSchema: v.GenericSchema<unknown, TrainingSettings> = v.strictObject({
  seed: whole(0),
  autoencoder: v.strictObject({ ...stage, kl: v.pipe(v.number(), v.minValue(0, 'at least 0')) }),
  latents: v.strictObject({
    pictures: multipleOf(LATENTS_A_FILE),
    batch: v.pipe(
      whole(1),
      v.check((batch) => LATENTS_A_FILE % batch === 0, `a divisor of ${LATENTS_A_FILE}`),
    ),
  }),
  diffusion: v.strictObject({
    ...stage,
    minSnr: v.exactOptional(between(0.1, 100)),
    timestepShift: v.exactOptional(between(0.05, 20)),
  }),
});

/** The training of only an autoencoder: lab/autoencoder. */
export interface AutoencoderConfig {
  /** Its config.json in diffusers' format. */
  readonly vae: Readonly<Record<string, unknown>>;
  readonly training: StageSettings & {
    readonly seed: number;
    /** Side of a crop, pixels. */
    readonly side: number;
    readonly kl: number;
    /** Weights of the sharpening terms; 0 turns one off. */
    readonly perceptual: number;
    readonly adversarial: number;
  };
}

const weight = v.pipe(v.number(), v.minValue(0, 'at least 0'));

export const autoencoderSchema: v.GenericSchema<unknown, AutoencoderConfig> = v.strictObject({
  vae: v.record(v.string(), v.unknown()),
  training: v.strictObject({
    ...stage,
    seed: whole(0),
    side: whole(1),
    kl: weight,
    perceptual: weight,
    adversarial: weight,
  }),
});

/** @throws KronaError PRETRAIN_CONFIG naming the first value that is missing, wrong or unknown */
export function checkConfig<Value>(
  schema: v.GenericSchema<unknown, Value>,
  key: string,
  value: unknown,
): Value {
  const { issues } = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (!issues) return value as Value;
  const [issue] = issues;
  const path = [key, v.getDotPath(issue)].filter(Boolean).join('.');
  if (issue.received === 'undefined') throw wrongConfig(`"${path}" is missing`);
  if (issue.expected === 'never') throw wrongConfig(`"${path}" is unknown`);
  if (issue.type === 'min_length') throw wrongConfig(`"${path}" has no entries`);
  // An issue without a custom message says "Invalid type: Expected … but received …".
  const expected = issue.message.startsWith('Invalid ') ? issue.expected : issue.message;
  throw wrongConfig(`"${path}" is ${issue.received}; expected ${expected}`);
}

export const wrongConfig = (problem: string): KronaError =>
  new KronaError('PRETRAIN_CONFIG', `The pretraining configuration is invalid: ${problem}.`);
