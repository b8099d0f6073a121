/** @file A scheduler: the arithmetic between one call of the model and the next. It holds no model. */
import type { StepStarts } from './picture-start.ts';

/**
 * One sampling run. Created for each run, as multi-step schedulers remember earlier outputs. Samples are fp32 of
 * any layout; inputs are never changed.
 *
 * @example
 * let sample = noise.map((x) => x * scheduler.initNoiseSigma);
 * for (const [i, t] of scheduler.timesteps.entries())
 *   sample = scheduler.step(await model(scheduler.scaleModelInput(sample, i), t), i, sample, noise);
 */
export interface Scheduler {
  /** The model's timestep at each call, in order; Euler's can be fractions. */
  readonly timesteps: Float32Array;
  /** Standard normal noise is multiplied by it to become the first sample. */
  readonly initNoiseSigma: number;
  /** Where each step begins, for runs that start from a picture; no earlier call is needed. */
  readonly startOf: StepStarts;
  /** The sample scaled as the model's input at call `i` (from 0). */
  scaleModelInput(sample: Float32Array, i: number): Float32Array;
  /**
   * The next sample, from the model's output at call `i` for `sample` (not scaled). Calls come in order.
   *
   * @param noise draws fresh standard normal noise as large as the sample; only stochastic schedulers call it, at most
   * once a step, in the order in which diffusers draws from its generator
   */
  step(modelOutput: Float32Array, i: number, sample: Float32Array, noise: () => Float32Array): Float32Array;
}

/** What a model predicts: the noise, the clean sample, or a mixture (Salimans and Ho 2022, arXiv 2202.00512). */
export const PREDICTION_TYPES = ['epsilon', 'sample', 'v_prediction'] as const;
export type PredictionType = (typeof PREDICTION_TYPES)[number];
