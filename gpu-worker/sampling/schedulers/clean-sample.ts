/**
 * @file The clean sample that a model's output implies, where the noisy one is signal·clean + sigma·noise (variance
 * preserving) or clean + sigma·noise (variance exploding); in fp32, in the order in which diffusers computes.
 */
import type { PredictionType } from './scheduler.ts';

const f = Math.fround;

/** One element: (model output, sample) → clean sample. */
export type CleanSample = (output: number, x: number) => number;

/** @param signal √ᾱ @param sigma √(1-ᾱ) */
export function cleanOfSignal(prediction: PredictionType, signal: number, sigma: number): CleanSample {
  switch (prediction) {
    case 'epsilon':
      return (output, x) => f(f(x - f(sigma * output)) / signal);
    case 'sample':
      return (output) => output;
    case 'v_prediction':
      return (output, x) => f(f(signal * x) - f(sigma * output));
  }
}

/** @param sigma √((1-ᾱ)/ᾱ) */
export function cleanOfSigma(prediction: PredictionType, sigma: number): CleanSample {
  const variance = f(f(sigma * sigma) + 1);
  const outputShare = f(-sigma / f(Math.sqrt(variance)));
  switch (prediction) {
    case 'epsilon':
      return (output, x) => f(x - f(sigma * output));
    case 'sample':
      return (output) => output;
    case 'v_prediction':
      return (output, x) => f(f(output * outputShare) + f(x / variance));
  }
}

/** Clipping as a config's clip_sample and clip_sample_range say. */
export function clipped(clean: CleanSample, range: number): CleanSample {
  if (range === Infinity) return clean;
  return (output, x) => Math.max(-range, Math.min(range, clean(output, x)));
}
