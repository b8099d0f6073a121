/** @file The timesteps of models distilled for few steps (LCM, TCD): evenly among those of the distillation, from the last on. */
import type { ConfigFields } from '../../models/config-fields.ts';
import { KronaError } from '../../../core/errors.ts';
import { trainTimesteps } from './noise-levels.ts';

/**
 * `steps` timesteps from original_inference_steps; the classes have no other spacing.
 *
 * @param name the scheduler's, for errors
 * @throws KronaError STEPS_INVALID, MODEL_CONFIG_INVALID
 */
export function distilledTimesteps(config: ConfigFields, name: string, steps: number): Float32Array {
  const trained = trainTimesteps(config);
  const distilled = config.integer('original_inference_steps', 50);
  if (distilled > trained)
    throw config.invalid('original_inference_steps', `at most ${trained} (num_train_timesteps)`);
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > distilled)
    throw new KronaError(
      'STEPS_INVALID',
      `Sampling steps must be 1 to ${distilled} with ${name}; you gave ${steps}.`,
    );
  const stride = Math.floor(trained / distilled);
  return Float32Array.from(
    { length: steps },
    (_, i) => (distilled - Math.floor(i * (distilled / steps))) * stride - 1,
  );
}
