/**
 * @file Euler steps along the probability flow (Karras et al. 2022, arXiv 2206.00364, algorithm 2 without churn), as
 * diffusers' EulerDiscreteScheduler computes them. Samples are x_0 + σ·noise; the model sees them scaled to variance 1.
 */
import type { ConfigFields } from '../../models/config-fields.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { createSigmas } from './sigmas.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createEuler(config: ConfigFields, steps: number): Scheduler {
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const { timesteps, sigmas, spacing } = createSigmas(config, steps);
  const largest = sigmas.reduce((a, b) => Math.max(a, b));

  return {
    timesteps,
    // With `leading` the first σ is below the largest: the variance of the first sample is then σ² + 1.
    initNoiseSigma: spacing === 'leading' ? f(Math.sqrt(f(f(largest * largest) + 1))) : largest,
    scaleModelInput(sample, i) {
      const scale = f(Math.sqrt(f(f(sigmas[i]! ** 2) + 1)));
      return sample.map((x) => x / scale);
    },
    step(modelOutput, i, sample) {
      const sigma = sigmas[i]!;
      const change = f(sigmas[i + 1]! - sigma);
      const variance = f(f(sigma * sigma) + 1);
      const outputShare = f(-sigma / f(Math.sqrt(variance)));
      return sample.map((x, at) => {
        const output = modelOutput[at]!;
        let clean: number;
        switch (prediction) {
          case 'epsilon':
            clean = f(x - f(sigma * output));
            break;
          case 'sample':
            clean = output;
            break;
          case 'v_prediction':
            clean = f(f(output * outputShare) + f(x / variance));
            break;
        }
        const slope = f(f(x - clean) / sigma);
        return x + f(slope * change);
      });
    },
  };
}
