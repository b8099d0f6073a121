/**
 * @file Where a run from a picture begins, instead of pure noise (SDEdit: Meng et al. 2022, arXiv 2108.01073):
 * some steps down the schedule, with the noise of that level on the picture's latents.
 */
import { at } from '../../../core/at.ts';
import type { Scheduler } from './scheduler.ts';
import { roundHalfEven } from './timesteps.ts';

const f = Math.fround;

/** The sample before a step is signal · clean + sigma · noise. */
export interface StepStart {
  /** The call of the model with which the step begins. */
  readonly call: number;
  readonly signal: number;
  readonly sigma: number;
}

/** @param step from 0 */
export type StepStarts = (step: number) => StepStart;

const sameCall = (step: number): number => step;

/** For samples of variance 1. @param levels ᾱ by training timestep */
export function startsByLevel(
  levels: Float32Array,
  timesteps: Float32Array,
  callOf: (step: number) => number = sameCall,
): StepStarts {
  return (step) => {
    const call = callOf(step);
    const level = at(levels, at(timesteps, call));
    return { call, signal: f(Math.sqrt(level)), sigma: f(Math.sqrt(f(1 - level))) };
  };
}

/** For samples clean + σ · noise. @param sigmas before each call */
export function startsBySigma(sigmas: Float32Array, callOf: (step: number) => number = sameCall): StepStarts {
  return (step) => ({ call: callOf(step), signal: 1, sigma: at(sigmas, callOf(step)) });
}

/**
 * The first step of a run of `steps` that keeps about 1 - strength of the picture: as in diffusers' image-to-image
 * pipelines, but never none at all.
 *
 * @param strength in (0, 1]
 */
export function firstStep(steps: number, strength: number): number {
  return steps - Math.max(1, Math.min(steps, Math.floor(steps * strength)));
}

/**
 * The call with which a second model takes over from a first: that of the first step told a timestep below
 * (1 − share) · trained, as with diffusers' `denoising_end` and `denoising_start`; but always between whole steps, where
 * diffusers leaves a Heun step half done.
 *
 * @param trained timesteps of the training
 * @param share of the noise levels that the first model gets, in (0, 1)
 */
export function handover(
  { timesteps, startOf }: Scheduler,
  steps: number,
  trained: number,
  share: number,
): number {
  const cutoff = roundHalfEven(trained - share * trained);
  const begins = Array.from({ length: steps }, (_, step) => startOf(step).call);
  return begins.find((call) => at(timesteps, call) < cutoff) ?? timesteps.length;
}
