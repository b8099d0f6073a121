/** @file What a channel can tune. One type from the chat command to the training graph. */
import { DEFAULT_TRAIN_SETTINGS, type Target, type TrainSettings } from './train-settings.ts';

/** How a training changes the model: Kronecker factors, or the paper's rivals LoRA and full fine-tuning. */
export const METHODS = ['krona', 'lora', 'full'] as const;
export type Method = (typeof METHODS)[number];

/** LoRA's rank in the paper's comparison (arXiv 2402.17412, table 2). */
export const DEFAULT_RANK = 4;

/** Scheduler names that the sampler knows (diffusers' classes of the same names). */
export const SCHEDULERS = [
  'ddim',
  'ddpm',
  'euler',
  'euler_a',
  'heun',
  'dpmpp_2m',
  'dpmpp_2m_karras',
  'dpmpp_2m_sde',
  'dpmpp_2m_sde_karras',
  'unipc',
  'pndm',
  'lcm',
] as const;
export type SchedulerName = (typeof SCHEDULERS)[number];

/** Width and height of a picture, pixels: `1024x768`. */
export type PictureSize = `${number}x${number}`;

/** A channel's settings. Changed by `/krona settings`, used by the next train or imagine. */
export interface ChannelSettings extends TrainSettings {
  readonly method: Method;
  /** Rows of the left Kronecker factor A; must divide every adapted projection's output width. */
  readonly a1: number;
  /** Columns of A; must divide every adapted projection's input width. */
  readonly a2: number;
  /** Of lora; at most the width of the narrowest adapted projection. */
  readonly rank: number;
  /** What lora is multiplied by, over its rank. */
  readonly alpha: number;
  /** Learning rate of AdamW, in (0, 1]. */
  readonly lr: number;
  /** Optimiser steps of a run. */
  readonly steps: number;
  /** Classifier-free guidance scale; 1 turns guidance off. */
  readonly guidance: number;
  /**
   * How far guided outputs go back to the deviation of those without guidance, in [0, 1] (arXiv 2305.08891, section 3.4);
   * 0: not at all.
   */
  readonly rescale: number;
  /** null: the one that the model's folder names. */
  readonly scheduler: SchedulerName | null;
  /** Denoising steps of a picture. */
  readonly samplingSteps: number;
  /** null: the square that the model was trained on. */
  readonly size: PictureSize | null;
  /** Share of the noise levels that the worker's refiner takes over, in [0, 1): 0.2 in its model card; 0: none. */
  readonly refine: number;
  /** Pictures in a set, 1 to 4. */
  readonly count: number;
}

/**
 * Starting values for the embedded model, by the grids of docs/evaluation.md: 2e-3 has the best score of the learning
 * rates, 500 and 1000 steps are no better than 200, and no factors are better than 2×8 by more than chance. Its scheduler
 * adds noise at each step, which mends what an earlier one got wrong; guidance of more than 3 leaves stains.
 */
export const DEFAULT_SETTINGS: ChannelSettings = {
  method: 'krona',
  a1: 2,
  a2: 8,
  rank: DEFAULT_RANK,
  alpha: DEFAULT_RANK,
  lr: 2e-3,
  steps: 200,
  ...DEFAULT_TRAIN_SETTINGS,
  guidance: 3,
  rescale: 0,
  scheduler: null,
  samplingSteps: 20,
  size: null,
  refine: 0,
  count: 4,
};

/** One projection that adapters may change: module path as in diffusers, weight `[out, in]`. */
export interface ProjectionShape {
  readonly path: string;
  readonly out: number;
  readonly in: number;
}

/** What the worker's model is, as commands need it to check settings without importing the engine. */
export interface ModelCard {
  /** Folder name, e.g. `krona-emoji`. */
  readonly name: string;
  readonly architecture: string;
  /** Side of the pictures it was trained on, pixels. */
  readonly nativeSize: number;
  /** Width and height must be multiples of this. */
  readonly sizeMultiple: number;
  /** Those of the UNet's attention, which is what adapters change unless told otherwise. */
  readonly projections: readonly ProjectionShape[];
  /** Those of the other targets; none where an earlier release has described the model. */
  readonly furtherProjections?: Readonly<Record<Exclude<Target, 'attention'>, readonly ProjectionShape[]>>;
  /** Its noise ends without any signal (arXiv 2305.08891); left out: it does not. */
  readonly zeroTerminalSnr?: boolean;
  /** Name of the model that the worker refines pictures with; none where it has none. */
  readonly refiner?: string;
}

/** Width and height that pictures of these settings have on a model, pixels. */
export function pictureSize(
  { size }: Pick<ChannelSettings, 'size'>,
  { nativeSize }: ModelCard,
): { readonly width: number; readonly height: number } {
  const [width = nativeSize, height = nativeSize] = size?.split('x').map(Number) ?? [];
  return { width, height };
}

/** Models drawing at this size or less, pixels, start with the embedded model's settings. */
export const SMALL_MODEL = 256;

/**
 * The learning rate at which each method starts on a model. Large ones as the paper tunes them on SDXL: 5e-4 for krona, 1e-4
 * for LoRA (arXiv 2402.17412, §4.1), 5e-6 for full fine-tuning (DreamBooth, arXiv 2208.12242, §4). Small ones by the grid
 * of docs/evaluation.md.
 *
 * @param model null: not known yet
 */
export function startingRates(model: ModelCard | null): Readonly<Record<Method, number>> {
  return model === null || model.nativeSize <= SMALL_MODEL
    ? { krona: DEFAULT_SETTINGS.lr, lora: 2e-3, full: 2e-4 }
    : { krona: 5e-4, lora: 1e-4, full: 5e-6 };
}

/**
 * What a channel starts with on a model, until somebody changes it. Large models train as DiffuseKronA's paper trains SDXL
 * (arXiv 2402.17412, section 4.1), in the variant (4, 64) of its comparisons, the most faithful of its ablation of
 * factors. Its table 7 has a1=8 and 16 as good on subjects (CLIP-I .815 and .817 of .809, DINO .649 and .654 of .651),
 * closer to prompts (CLIP-T .313 and .301 of .268) and smaller (2.15 and 1.51 M of 3.87 M numbers): a few subjects with
 * deviations of .02 to .15, so worth trying where prompts are not followed rather than what all start with. Factors are
 * reduced until they divide all of the model's widths.
 *
 * Pictures of SDXL have guidance 7, the best for such adapters of 1 to 50 by the paper, not diffusers' 5, which is for the
 * model alone; others diffusers' 7.5, as the paper finds 7 to 10 alike. It draws in 50 steps and finds 30 to 70 alike,
 * so 30 do.
 *
 * @param model null: not known yet
 */
export function startingSettings(model: ModelCard | null): ChannelSettings {
  if (model === null) return DEFAULT_SETTINGS;
  const large = {
    a1: 4,
    a2: 64,
    lr: startingRates(model).krona,
    steps: 1000,
    samplingSteps: 30,
    guidance: model.architecture.startsWith('sdxl') ? 7 : 7.5,
  };
  const settings = { ...DEFAULT_SETTINGS, ...(model.nativeSize <= SMALL_MODEL ? {} : large) };
  const common = (start: number, width: 'out' | 'in') =>
    model.projections.reduce((divisor, projection) => gcd(divisor, projection[width]), start);
  return { ...settings, a1: common(settings.a1, 'out'), a2: common(settings.a2, 'in') };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
