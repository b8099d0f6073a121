/** @file What a channel can tune. One type from the chat command to the training graph. */

/** How a training changes the model: Kronecker factors, or the paper's rivals LoRA and full fine-tuning. */
export const METHODS = ['krona', 'lora', 'full'] as const;
export type Method = (typeof METHODS)[number];

/**
 * Each method's learning rate as a share of krona's, as the paper tunes them on SDXL: 5e-4 for krona, 1e-4 for LoRA
 * (arXiv 2402.17412, §4.1), and 5e-6 for full fine-tuning (DreamBooth, arXiv 2208.12242, §4).
 */
export const LR_SHARE: Readonly<Record<Method, number>> = { krona: 1, lora: 0.2, full: 0.01 };

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

/** A channel's settings. Changed by `/krona settings`, used by the next train or imagine. */
export interface ChannelSettings {
  readonly method: Method;
  /** Rows of the left Kronecker factor A; must divide every adapted projection's output width. */
  readonly a1: number;
  /** Columns of A; must divide every adapted projection's input width. */
  readonly a2: number;
  /** Learning rate of AdamW, in (0, 1]. */
  readonly lr: number;
  /** Optimiser steps of a run. */
  readonly steps: number;
  /** Classifier-free guidance scale; 1 turns guidance off. */
  readonly guidance: number;
  /** null: the one that the model's folder names. */
  readonly scheduler: SchedulerName | null;
  /** Denoising steps of a picture. */
  readonly samplingSteps: number;
  /** Pictures in a set, 1 to 4. */
  readonly count: number;
}

/** Starting values of every channel, for the embedded model. */
export const DEFAULT_SETTINGS: ChannelSettings = {
  method: 'krona',
  a1: 4,
  a2: 32,
  lr: 2e-3,
  steps: 200,
  guidance: 4,
  scheduler: null,
  samplingSteps: 20,
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
  readonly projections: readonly ProjectionShape[];
}
