/** @file What a channel can tune. One type from the chat command to the training graph. */

/** How an adapter changes the model. LoRA and full fine-tuning, the paper's rivals, will join here. */
export const METHODS = ['krona'] as const;
export type Method = (typeof METHODS)[number];

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
