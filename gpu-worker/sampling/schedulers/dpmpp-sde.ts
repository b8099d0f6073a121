/**
 * @file DPM-Solver++ as a stochastic two-stage step on σ (k-diffusion's sample_dpmpp_sde; Lu et al. 2022, arXiv 2211.01095),
 * as diffusers' DPMSolverSDEScheduler computes it. n steps call the model 2n − 1 times.
 *
 * A step's noise is the increment of one Brownian path in σ: that of the whole step holds that of its first half. diffusers
 * seeds the path at random (torchsde); here each call adds the next increment, drawn from the run's own generator.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { zip2, zip3 } from '../zip.ts';
import { cleanOfSigma } from './clean-sample.ts';
import { startsBySigma } from './picture-start.ts';
import type { Scheduler } from './scheduler.ts';
import {
  ancestralStep,
  createSigmas,
  firstSigma,
  scaleBySigma,
  spreadOnly,
  timestepOf,
  trainedSigmas,
} from './sigmas.ts';

const f = Math.fround;
const logOf = (sigma: number): number => f(Math.log(sigma));
const ofLog = (log: number): number => f(Math.exp(log));

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDpmppSde(config: ConfigFields, steps: number): Scheduler {
  const prediction = config.oneOf('prediction_type', ['epsilon', 'v_prediction'], 'epsilon');
  // The class doesn't know zero terminal SNR, nor bounds of Karras's σs.
  const unbounded = config.flag('use_karras_sigmas', false) ? { sigma_min: null, sigma_max: null } : {};
  const fields = spreadOnly(config).with({
    ...unbounded,
    rescale_betas_zero_snr: false,
    beta_start: config.number('beta_start', 0.00085),
    beta_end: config.number('beta_end', 0.012),
  });
  const once = createSigmas(fields, steps);
  const trained = trainedSigmas(fields);
  /** Before each call: σ₀, the middle to σ₁, σ₁, … */
  const sigmas = Float32Array.from({ length: 2 * steps - 1 }, (_, i) => {
    const [from, to] = [at(once.sigmas, i >> 1), at(once.sigmas, (i >> 1) + 1)];
    return i % 2 === 0 ? from : ofLog(f(logOf(from) + f(f(logOf(to) - logOf(from)) / 2)));
  });
  const timesteps = sigmas.map((sigma, i) =>
    i % 2 === 0 ? at(once.timesteps, i / 2) : timestepOf(sigma, trained),
  );
  let first: { readonly sample: Float32Array; readonly noise: Float32Array } | null = null;

  /** To σ `to` from the sample at σ `from`, along a clean sample. */
  const move = (from: number, to: number, start: Float32Array, clean: Float32Array, noise: Float32Array) => {
    const { down, up } = ancestralStep(ofLog(logOf(from)), ofLog(logOf(to)));
    const share = f(ofLog(logOf(down)) / ofLog(logOf(from)));
    const change = f(Math.expm1(f(logOf(down) - logOf(from))));
    return zip3(start, clean, noise, (x, m, fresh) => f(f(share * x) - f(change * m)) + f(fresh * up));
  };

  return {
    timesteps,
    initNoiseSigma: firstSigma(once.sigmas, once.spacing),
    startOf: startsBySigma(sigmas, (step) => 2 * step),
    scaleModelInput: scaleBySigma(sigmas),
    step(modelOutput, i, sample, noise) {
      const sigma = at(sigmas, i);
      const clean = zip2(modelOutput, sample, cleanOfSigma(prediction, sigma));
      if (i === sigmas.length - 1)
        return zip2(sample, clean, (x, m) => x + f(f(f(x - m) / sigma) * f(-sigma)));
      const next = at(once.sigmas, (i >> 1) + 1);
      if (first === null) {
        first = { sample, noise: noise() };
        return move(sigma, at(sigmas, i + 1), sample, clean, first.noise);
      }
      const { sample: start, noise: earlier } = first;
      first = null;
      const from = at(sigmas, i - 1);
      const shares = [f(Math.sqrt(f(from - sigma))), f(Math.sqrt(f(sigma - next)))] as const;
      const length = f(Math.sqrt(f(from - next)));
      const whole = zip2(earlier, noise(), (a, b) => f(f(shares[0] * a) + f(shares[1] * b)) / length);
      return move(from, next, start, clean, whole);
    },
  };
}
