/**
 * @file Euler steps along the probability flow (Karras et al. 2022, arXiv 2206.00364, algorithm 2 without churn), as
 * diffusers' EulerDiscreteScheduler computes them. Samples are x_0 + σ·noise; the model sees them scaled to variance 1.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { startsBySigma } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { cleanOfSigma } from './clean-sample.ts';
import { createSigmas, firstSigma, scaleBySigma } from './sigmas.ts';
import { zip2 } from '../zip.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createEuler(config: ConfigFields, steps: number): Scheduler {
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const { timesteps, sigmas, spacing } = createSigmas(config, steps);
  return {
    timesteps,
    initNoiseSigma: firstSigma(sigmas, spacing),
    startOf: startsBySigma(sigmas),
    scaleModelInput: scaleBySigma(sigmas),
    step(modelOutput, i, sample) {
      const sigma = at(sigmas, i);
      const change = f(at(sigmas, i + 1) - sigma);
      const clean = cleanOfSigma(prediction, sigma);
      return zip2(sample, modelOutput, (x, output) => x + f(f(f(x - clean(output, x)) / sigma) * change));
    },
  };
}
