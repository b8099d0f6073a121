/**
 * @file Euler steps that go further down than asked and add noise back up to the level (Karras et al. 2022, arXiv
 * 2206.00364; k-diffusion's sample_euler_ancestral), as diffusers' EulerAncestralDiscreteScheduler computes them.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSigma } from './clean-sample.ts';
import { startsBySigma } from './picture-start.ts';
import type { Scheduler } from './scheduler.ts';
import { ancestralStep, createSigmas, firstSigma, PLAIN_SIGMAS, scaleBySigma } from './sigmas.ts';
import { zip3 } from '../zip.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createEulerAncestral(config: ConfigFields, steps: number): Scheduler {
  const prediction = config.oneOf('prediction_type', ['epsilon', 'v_prediction'], 'epsilon');
  const { timesteps, sigmas, spacing } = createSigmas(config.with(PLAIN_SIGMAS), steps);

  return {
    timesteps,
    initNoiseSigma: firstSigma(sigmas, spacing),
    startOf: startsBySigma(sigmas),
    scaleModelInput: scaleBySigma(sigmas),
    step(modelOutput, i, sample, noise) {
      const [from, to] = [at(sigmas, i), at(sigmas, i + 1)];
      const { down, up } = ancestralStep(from, to);
      const change = f(down - from);
      const clean = cleanOfSigma(prediction, from);
      return zip3(sample, modelOutput, noise(), (x, output, fresh) => {
        const slope = f(f(x - clean(output, x)) / from);
        return f(x + f(slope * change)) + f(fresh * up);
      });
    },
  };
}
