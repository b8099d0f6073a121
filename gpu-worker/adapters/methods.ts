/**
 * @file The methods that train, each with the same parts: what it changes and how it starts, and the file that it ends
 * in. The graph's part of each is in adapter.ts; training, jobs and commands know no other difference between them.
 */
import { KronaError } from '../../core/errors.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import type { Method } from '../../core/settings/choices.ts';
import type { Target } from '../../core/settings/choices.ts';
import { unetParameters } from '../models/model-check.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { FlatLayout } from '../models/parameters.ts';
import type { AdapterLayers, AdapterShapes } from './adapter.ts';
import { familyOf, type AdapterInfo } from './adapter-info.ts';
import { writeDifference } from './difference-file.ts';
import { differenceShapes, type Difference } from './full.ts';
import type { Distribution } from './initial.ts';
import { factorShapes, initialFactors, type FactorPairs, type KroneckerLayers } from './krona.ts';
import { writeLokr } from './lokr-file.ts';
import { initialLowRank, lowRankShapes } from './lora.ts';
import { writeLora, type LowRankLayers } from './lora-file.ts';
import { targetProjections } from './targets.ts';

/** What a method needs to know of a training's options. */
export interface MethodOptions {
  /** Of krona: the shape of A, and that of kinds of projections which have another. */
  readonly a1: number;
  readonly a2: number;
  readonly factors?: FactorPairs;
  /** Of lora; alpha is the rank unless given. */
  readonly rank?: number;
  readonly alpha?: number;
  /** How the random factor starts. */
  readonly init?: Distribution;
  /** Of krona and lora: the attention of the UNet unless given. */
  readonly targets?: readonly Target[];
}

export interface AdapterMethod {
  /** @throws KronaError FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED */
  shapes(model: Pick<ModelFolder, 'unet' | 'textEncoders'>, options: MethodOptions): AdapterShapes;
  /** The flat vector at the start, where ΔW is zero. */
  initial(layout: FlatLayout, seed: number, options: MethodOptions): Float32Array;
  /** The method's own settings, as the file keeps them. */
  facts(options: MethodOptions): Pick<AdapterInfo, 'a1' | 'a2' | 'rank' | 'alpha'>;
  /** What all that is learnt is multiplied by beside the strength: LoRA's alpha/rank. */
  scale(options: MethodOptions): number;
  /** The same layers give the same bytes. @throws KronaError DISK_FULL, FILE_UNWRITABLE */
  write(path: string, layers: AdapterLayers, model: ModelFolder, info: AdapterInfo): Promise<void>;
}

const targetsOf = ({ targets }: MethodOptions): readonly Target[] => targets ?? ['attention'];
const rankOf = ({ rank }: MethodOptions): number => rank ?? defaultOf('rank');
const alphaOf = (options: MethodOptions): number => options.alpha ?? rankOf(options);
const fileFacts = ({ unet, architecture }: ModelFolder) =>
  [unet.config.layers_per_block, familyOf(architecture)] as const;

export const ADAPTER_METHODS: Readonly<Record<Method, AdapterMethod>> = {
  krona: {
    shapes: (model, options) =>
      factorShapes(targetProjections(model, targetsOf(options)), options.a1, options.a2, options.factors),
    initial: (layout, seed, { init }) => initialFactors(layout, seed, init),
    facts: ({ a1, a2 }) => ({ a1, a2 }),
    scale: () => 1,
    async write(path, layers, model, info) {
      const [base, family] = fileFacts(model);
      await writeLokr(path, layers as KroneckerLayers, base, info, 'F32', family);
    },
  },

  lora: {
    shapes: (model, options) =>
      lowRankShapes(targetProjections(model, targetsOf(options)), rankOf(options), alphaOf(options)),
    initial: (layout, seed, { init }) => initialLowRank(layout, seed, init ?? 'normal'),
    facts: (options) => ({ rank: rankOf(options), alpha: alphaOf(options) }),
    scale: (options) => alphaOf(options) / rankOf(options),
    async write(path, layers, model, info) {
      const [base, family] = fileFacts(model);
      await writeLora(path, layers as LowRankLayers, base, info, 'F32', family);
    },
  },

  full: {
    shapes(model, { targets }) {
      if (targets !== undefined)
        throw new KronaError(
          'TARGETS_UNSUPPORTED',
          'Full fine-tuning changes the whole UNet; targets are for krona and lora.',
        );
      return differenceShapes(unetParameters(model.unet.config));
    },
    initial: (layout) => new Float32Array(layout.length),
    facts: () => ({}),
    scale: () => 1,
    async write(path, layers, model, info) {
      const [base, family] = fileFacts(model);
      await writeDifference(path, layers as ReadonlyMap<string, Difference>, base, info, 'F32', family);
    },
  },
};
