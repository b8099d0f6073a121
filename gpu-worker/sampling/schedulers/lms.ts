/**
 * @file Linear multi-step (Adams–Bashforth on σ) of order 4, as in k-diffusion's sample_lms and as diffusers'
 * LMSDiscreteScheduler computes it.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { zip2 } from '../zip.ts';
import { cleanOfSigma } from './clean-sample.ts';
import { startsBySigma } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { createSigmas, firstSigma, scaleBySigma, spreadOnly } from './sigmas.ts';

const f = Math.fround;
const ORDER = 4;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createLms(config: ConfigFields, steps: number): Scheduler {
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  // The class doesn't know zero terminal SNR, nor bounds of Karras's σs.
  const unbounded = config.flag('use_karras_sigmas', false) ? { sigma_min: null, sigma_max: null } : {};
  const fields = spreadOnly(config).with({ ...unbounded, rescale_betas_zero_snr: false });
  const { timesteps, sigmas, spacing } = createSigmas(fields, steps);
  /** Of the calls so far, newest first. */
  let slopes: Float32Array[] = [];

  return {
    timesteps,
    initNoiseSigma: firstSigma(sigmas, spacing),
    startOf: startsBySigma(sigmas),
    scaleModelInput: scaleBySigma(sigmas),
    step(modelOutput, i, sample) {
      const sigma = at(sigmas, i);
      const clean = cleanOfSigma(prediction, sigma);
      const slope = zip2(sample, modelOutput, (x, output) => f(x - clean(output, x)) / sigma);
      slopes = [slope, ...slopes].slice(0, ORDER);
      const weights = slopes.map((_, age) => weightOf(sigmas, i, age, slopes.length));
      return sample.map((x, place) => {
        const change = slopes.reduce((sum, each, age) => f(sum + f(at(weights, age) * at(each, place))), 0);
        return x + change;
      });
    },
  };
}

/**
 * The integral, from σᵢ to the next σ, of the Lagrange polynomial that is 1 at σ of `age` calls ago and 0 at the others.
 * Its degree is at most 3, for which Gauss's rule of two points is exact.
 */
function weightOf(sigmas: Float32Array, i: number, age: number, order: number): number {
  const [from, to] = [at(sigmas, i), at(sigmas, i + 1)];
  const polynomial = (sigma: number): number => {
    let product = 1;
    for (let other = 0; other < order; other++)
      if (other !== age)
        product *= (sigma - at(sigmas, i - other)) / (at(sigmas, i - age) - at(sigmas, i - other));
    return product;
  };
  const [middle, half] = [(from + to) / 2, (to - from) / 2];
  const away = half / Math.sqrt(3);
  return half * (polynomial(middle - away) + polynomial(middle + away));
}
