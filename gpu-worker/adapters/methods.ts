/**
 * @file The training methods, each with the same parts: what it changes and how it starts. The form of its ΔW (forms/)
 * tells the rest; training, jobs and commands know no other difference between methods.
 */
import { KronaError } from '../../core/errors.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import type { Method } from '../../core/settings/choices.ts';
import type { Target } from '../../core/settings/choices.ts';
import { unetParameters } from '../models/model-check.ts';
import type { Distribution } from '../../core/settings/choices.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { FlatLayout } from '../models/parameters.ts';
import type { AdapterShapes } from './adapter.ts';
import type { AdapterInfo } from './files/adapter-info.ts';
import { differenceShapes } from './forms/difference.ts';
import { randomPart } from './initial.ts';
import { factorShapes, type FactorPairs } from './krona.ts';
import { lowRankShapes } from './lora.ts';
import { targetProjections } from './targets.ts';

/** What a method needs to know of a training's options. */
export interface MethodOptions {
  /** Of krona: the shape of A, and that of kinds of projections that have their own. */
  readonly a1: number;
  readonly a2: number;
  readonly factors?: FactorPairs;
  /** Of lora; alpha is the rank by default. */
  readonly rank?: number;
  readonly alpha?: number;
  /** How the random factor starts; `normal` by default. */
  readonly init?: Distribution;
  /** Of krona and lora; the UNet's attention by default. */
  readonly targets?: readonly Target[];
}

export interface AdapterMethod {
  /** @throws KronaError FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED */
  shapes(model: Pick<ModelFolder, 'unet' | 'textEncoders'>, options: MethodOptions): AdapterShapes;
  /** The flat vector at the start, where ΔW is zero. */
  initial(layout: FlatLayout, seed: number, options: MethodOptions): Float32Array;
  /** The method's own settings, as the file keeps them. */
  facts(options: MethodOptions): Pick<AdapterInfo, 'a1' | 'a2' | 'rank' | 'alpha'>;
  /** ΔW is multiplied by it, and by the strength: LoRA's alpha/rank. */
  scale(options: MethodOptions): number;
}

const targetsOf = ({ targets }: MethodOptions): readonly Target[] => targets ?? ['attention'];
const rankOf = ({ rank }: MethodOptions): number => rank ?? defaultOf('rank');
const alphaOf = (options: MethodOptions): number => options.alpha ?? rankOf(options);

export const ADAPTER_METHODS: Readonly<Record<Method, AdapterMethod>> = {
  krona: {
    shapes: (model, options) =>
      factorShapes(targetProjections(model, targetsOf(options)), options.a1, options.a2, options.factors),
    // A random and B zero (paper, §3.3).
    initial: (layout, seed, { init = 'normal' }) => randomPart(layout, seed, '.a', init, 'columns'),
    facts: ({ a1, a2 }) => ({ a1, a2 }),
    scale: () => 1,
  },

  lora: {
    shapes: (model, options) =>
      lowRankShapes(targetProjections(model, targetsOf(options)), rankOf(options), alphaOf(options)),
    // Deviation 1/rank as in diffusers' training scripts (PEFT's `gaussian`); `kaiming` is PEFT's own default.
    initial: (layout, seed, { init = 'normal' }) => randomPart(layout, seed, '.down', init, 'rows'),
    facts: (options) => ({ rank: rankOf(options), alpha: alphaOf(options) }),
    scale: (options) => alphaOf(options) / rankOf(options),
  },

  full: {
    shapes(model, { targets }) {
      if (targets !== undefined)
        throw new KronaError(
          'TARGETS_UNSUPPORTED',
          'Full fine-tuning changes the whole UNet; `targets` applies to krona and lora only.',
        );
      return differenceShapes(unetParameters(model.unet.config));
    },
    initial: (layout) => new Float32Array(layout.length),
    facts: () => ({}),
    scale: () => 1,
  },
};
