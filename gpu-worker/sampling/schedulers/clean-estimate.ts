/** @file What a run's picture looks like so far: the clean latents that a model's output implies at a timestep. */
import { zip2 } from '../zip.ts';
import { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { alphasCumprod, levelAt } from './noise-levels.ts';
import { PREDICTION_TYPES } from './scheduler.ts';

/**
 * The estimate of any scheduler's run, because the model's input is √ᾱ·clean + √(1-ᾱ)·noise whichever scheduler scaled it.
 *
 * @param config scheduler/scheduler_config.json
 * @returns (model's input, its output, timestep) → clean latents; null where the input holds no signal
 */
export function cleanEstimate(config: Readonly<Record<string, unknown>>) {
  const fields = new ConfigFields('scheduler/scheduler_config.json', config);
  const levels = alphasCumprod(fields);
  const prediction = fields.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  return (input: Float32Array, output: Float32Array, timestep: number): Float32Array | null => {
    const level = levelAt(levels, timestep);
    if (level === 0 && prediction === 'epsilon') return null;
    const clean = cleanOfSignal(prediction, Math.sqrt(level), Math.sqrt(1 - level));
    return zip2(input, output, (x, y) => clean(y, x));
  };
}
