/**
 * @file How much noise a training timestep adds, from a model folder's scheduler config, as diffusers' DDPMScheduler
 * reads it (Ho et al. 2020, arXiv 2006.11239). The loss itself is in loss.ts.
 */
import { at } from '../../core/at.ts';
import { ConfigFields } from '../models/config-fields.ts';
import { alphasCumprod } from '../sampling/schedulers/noise-levels.ts';

export interface NoiseSchedule {
  /** Timesteps are 0 to this − 1. */
  readonly timesteps: number;
  readonly prediction: 'epsilon' | 'v_prediction';
  /** √ᾱ (signal) and √(1-ᾱ) (sigma) of each timestep, in fp32: noisy = signal·latents + sigma·noise. */
  coefficients(timesteps: ArrayLike<number>): { readonly signal: Float32Array; readonly sigma: Float32Array };
}

/**
 * @param config scheduler/scheduler_config.json
 * @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export function noiseSchedule(config: Readonly<Record<string, unknown>>): NoiseSchedule {
  const fields = new ConfigFields('scheduler/scheduler_config.json', config);
  const levels = alphasCumprod(fields);
  return {
    timesteps: levels.length,
    prediction: fields.oneOf('prediction_type', ['epsilon', 'v_prediction'], 'epsilon'),
    coefficients(timesteps) {
      const chosen = Float32Array.from(timesteps, (timestep) => at(levels, timestep));
      return {
        signal: chosen.map(Math.sqrt),
        sigma: chosen.map((level) => Math.sqrt(Math.fround(1 - level))),
      };
    },
  };
}
