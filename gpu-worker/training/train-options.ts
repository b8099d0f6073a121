/** @file All options that decide the result of a training run, for the command line and for jobs. */
import type { MethodOptions } from '../adapters/methods.ts';
import type { Precision } from '../graph/compile.ts';
import type { Prior } from './class-pictures.ts';
import type { Augmentation } from './photo-cache.ts';
import type { PreferencePoint, RefineOptions } from './refine-options.ts';
import type { CheckpointScore, Progress } from '../../core/records.ts';
import { targetOptions, type Keep, type LrSchedule, type Method } from '../../core/settings/choices.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { defaultOf, startingRates, startingSettings } from '../../core/settings/defaults.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';

/**
 * The options besides the method's (a1 and a2, factors, rank, alpha, init and targets: MethodOptions) and those of
 * examples (crop, cuts, flip, buckets, mask and background: Augmentation). docs/training.md lists them all with their
 * sources.
 */
export interface TrainOptions extends MethodOptions, Augmentation {
  /** Model folder. */
  readonly model: string;
  /** Paths of the photos, in the order in which they are numbered. */
  readonly photos: readonly string[];
  /** The subject's token, and its class word ('' for none). */
  readonly subjectToken: string;
  readonly subjectClass: string;
  /** The prompt of every photo without a caption, e.g. `a photo of sks cat`. */
  readonly prompt: string;
  /** Caption of each photo, to which the subject's token is added if missing; null: the prompt. */
  readonly captions?: readonly (string | null)[];
  /** Path of each photo's mask file; null: none. */
  readonly masks?: readonly (string | null)[];
  readonly method: Method;
  /** Learning rate of AdamW after the warm-up. */
  readonly lr: number;
  /** How the learning rate changes after the warm-up; constant by default. */
  readonly lrSchedule?: LrSchedule;
  /** Optimiser steps over which the learning rate rises from 0; 0: none. */
  readonly warmup: number;
  /** Optimiser steps; with `keep: best` at most. */
  readonly steps: number;
  /** Examples per micro-batch. */
  readonly batch: number;
  /** Micro-batches per optimiser step; their gradients are averaged. */
  readonly accumulation: number;
  readonly weightDecay: number;
  /** Gradients with a larger global norm are scaled down to it; null: never. */
  readonly maxGradNorm: number | null;
  /** Class pictures that preserve the model's knowledge of the class (class-pictures.ts); none unless given. */
  readonly prior?: Prior;
  /** λ of the loss's term λ·‖ΔW‖², summed over the modules (adapter-graph.ts); none unless given. */
  readonly priorL2?: number;
  /** γ of min-SNR weights of the loss (loss-weights.ts), 5 in the paper; no weights unless given. */
  readonly minSnr?: number;
  /** Standard deviation of the noise that is constant over a channel, see Dataset; off unless given. */
  readonly offsetNoise?: number;
  /** The adapter's strength at pure noise, 0 to 1 (noise-strength.ts); 1 throughout unless given. Not with full. */
  readonly noiseStrength?: number;
  /** Go on from an adapter with what members preferred; a run starts from nothing unless given. */
  readonly refine?: RefineOptions;
  readonly seed: number;
  /** Side of the square training pictures, or of the square with a bucket's area, pixels. */
  readonly resolution: number;
  /** Precision of a step; the process's device decides unless given. In 16 bits the loss is scaled (loss-scale.ts). */
  readonly precision?: Precision;
  /** Recompute each block in the backward pass: less memory, about 15% more time. */
  readonly checkpointing: boolean;
  /** `best`: score checkpoints, keep the best one, and end early (best-checkpoint.ts); `last` by default. */
  readonly keep?: Keep;
  /** With `best`: checkpoints in a row that are no better before the run ends; the table's default unless given. */
  readonly patience?: number;
  /** Score the result, and what is kept is the last. */
  readonly scored?: boolean;
  /** Keep the state at the end, so that the run can go on with more steps. */
  readonly keepState?: boolean;
  /** Optimiser steps between saved checkpoints; null: only the end is saved. */
  readonly checkpointEvery: number | null;
  /** Seconds between saves of the state to resume from; by default it is saved only with checkpoints. */
  readonly stateSeconds?: number;
  /** Resume the unfinished run beside `out`; without it, one there is an error. */
  readonly resume: boolean;
  /** Start again, and discard an unfinished run beside `out`. */
  readonly restart?: boolean;
  /** File that records the run, for another implementation to follow; null: none. */
  readonly trace: string | null;
  /** The adapter's file; checkpoints lie beside it. */
  readonly out: string;
}

export interface TrainProgress extends Progress {
  /** Of the last optimiser step; null before the first. */
  readonly loss: number | null;
  /** The newest point of a refinement's curves, where one was just measured. */
  readonly preference?: PreferencePoint;
}

export interface TrainResult {
  /** Path of the adapter's file. */
  readonly adapter: string;
  /** Number of trained parameters. */
  readonly parameters: number;
  /** Of the adapter: those of the best checkpoint where that is kept. */
  readonly steps: number;
  /** Of the checkpoints, in order; empty where none is scored. */
  readonly scores: readonly CheckpointScore[];
  /** One per optimiser step. */
  readonly loss: readonly number[];
  /** A refinement's curves; [] for other trainings. */
  readonly preference: readonly PreferencePoint[];
  readonly secondsPerStep: number;
  /** Peak resident memory of the process that computed, MiB. */
  readonly peakMemoryMiB: number;
}

/**
 * Defaults for options that a channel doesn't set. As in DiffuseKronA and the DreamBooth scripts: constant learning
 * rate without warm-up, AdamW's weight decay of 0.01, centre crops, equal weight for every example, and no prior
 * preservation, which costs likeness (DINO .684 with it, .712 without, in DreamBooth's table). Noise-dependent strength
 * has published results in its favour (T-LoRA), yet is off: other programs would draw its files at full strength
 * throughout.
 */
export function trainRecipe(
  model: ModelCard,
): Pick<
  TrainOptions,
  'warmup' | 'batch' | 'accumulation' | 'weightDecay' | 'maxGradNorm' | 'resolution' | 'checkpointing'
> & { readonly offsetNoise?: number } {
  // A schedule whose last step keeps some signal never learns overall brightness without offset noise. One that ends in
  // pure noise does (arXiv 2305.08891, section 3.1).
  const offsetNoise = model.zeroTerminalSnr ? 0 : defaultOf('offsetNoise', model);
  return {
    ...(offsetNoise > 0 && { offsetNoise }),
    warmup: defaultOf('warmup'),
    batch: defaultOf('batch', model),
    accumulation: defaultOf('accumulation'),
    weightDecay: defaultOf('weightDecay'),
    maxGradNorm: defaultOf('maxGradNorm'),
    resolution: model.nativeSize,
    checkpointing: defaultOf('checkpointing', model),
  };
}

export type TrainDefaults = Pick<TrainOptions, 'lr' | 'steps' | 'targets' | 'priorL2'> &
  Pick<ChannelSettings, 'a1' | 'a2'>;

/** Default factors, learning rate, steps, targets and prior for a model and a method. */
export function trainDefaults(model: ModelCard, method: Method = 'krona'): TrainDefaults {
  const { a1, a2, steps, targets, priorL2 } = startingSettings(model);
  const lr = startingRates(model)[method];
  return { a1, a2, lr, steps, ...targetOptions({ method, targets }), ...(priorL2 > 0 && { priorL2 }) };
}
