/**
 * @file Heun's second-order steps (Karras et al. 2022, arXiv 2206.00364, algorithm 1), as diffusers'
 * HeunDiscreteScheduler computes them: each σ but the first and the last is visited twice, so that n steps call the
 * model 2n − 1 times.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSigma, clipped } from './clean-sample.ts';
import { startsBySigma } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { createSigmas, firstSigma, scaleBySigma, spreadOnly } from './sigmas.ts';
import { zip2, zip3 } from '../zip.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createHeun(config: ConfigFields, steps: number): Scheduler {
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const range = config.flag('clip_sample', false) ? config.number('clip_sample_range', 1) : Infinity;
  const fields = spreadOnly(config).with({
    // The class does not know zero terminal SNR, and has its own defaults here.
    rescale_betas_zero_snr: false,
    beta_start: config.number('beta_start', 0.00085),
    beta_end: config.number('beta_end', 0.012),
  });
  const once = createSigmas(fields, steps);
  // t₀, t₁, t₁, t₂, t₂, … and σ₀, σ₁, σ₁, …, σₙ.
  const timesteps = Float32Array.from({ length: 2 * steps - 1 }, (_, i) => at(once.timesteps, (i + 1) >> 1));
  const sigmas = Float32Array.from({ length: 2 * steps }, (_, i) => at(once.sigmas, (i + 1) >> 1));
  let first: { readonly sample: Float32Array; readonly slope: Float32Array } | null = null;

  return {
    timesteps,
    initNoiseSigma: firstSigma(sigmas, once.spacing),
    startOf: startsBySigma(sigmas, (step) => 2 * step),
    scaleModelInput: scaleBySigma(sigmas),
    step(modelOutput, i, sample) {
      const sigma = at(sigmas, i);
      const clean = clipped(cleanOfSigma(prediction, sigma), range);
      const slope = zip2(sample, modelOutput, (x, output) => f(x - clean(output, x)) / sigma);
      if (first === null) {
        const change = f(at(sigmas, i + 1) - sigma);
        first = { sample, slope };
        return zip2(sample, slope, (x, each) => x + f(each * change));
      }
      const { sample: start, slope: before } = first;
      first = null;
      const change = f(sigma - at(sigmas, i - 1));
      return zip3(start, before, slope, (x, earlier, later) => x + f(f(f(earlier + later) / 2) * change));
    },
  };
}
