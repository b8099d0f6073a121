/**
 * @file DPM-Solver-2 as Karras et al. 2022 write it (arXiv 2206.00364; k-diffusion's sample_dpm_2 and
 * sample_dpm_2_ancestral), as diffusers' KDPM2DiscreteScheduler and KDPM2AncestralDiscreteScheduler compute it: half a step
 * to the middle σ, then a whole step with the slope from there. n steps call the model 2n − 1 times.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { zip2 } from '../zip.ts';
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
  type AncestralStep,
} from './sigmas.ts';
import { roundHalfEven } from './timesteps.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createKdpm2(config: ConfigFields, steps: number): Scheduler {
  return kdpm2(config, steps, (_from, to) => ({ down: to, up: 0 }), false);
}

/** With noise after each step. @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createKdpm2Ancestral(config: ConfigFields, steps: number): Scheduler {
  return kdpm2(config, steps, ancestralStep, true);
}

function kdpm2(
  config: ConfigFields,
  steps: number,
  stepOf: (from: number, to: number) => AncestralStep,
  stochastic: boolean,
): Scheduler {
  const prediction = config.oneOf('prediction_type', ['epsilon', 'v_prediction'], 'epsilon');
  const fields = spreadOnly(config).with({
    rescale_betas_zero_snr: false,
    beta_start: config.number('beta_start', 0.00085),
    beta_end: config.number('beta_end', 0.012),
  });
  const once = createSigmas(fields, steps);
  const trained = trainedSigmas(fields);
  const moves = Array.from({ length: steps }, (_, n) => stepOf(at(once.sigmas, n), at(once.sigmas, n + 1)));
  const middles = moves.map(({ down }, n) => middleOf(at(once.sigmas, n), down, stochastic));
  // Only Karras's timesteps are rounded.
  const whole = config.flag('use_karras_sigmas', false) ? roundHalfEven : (timestep: number) => timestep;
  const calls = 2 * steps - 1;
  const timesteps = Float32Array.from({ length: calls }, (_, i) =>
    i % 2 === 0 ? whole(at(once.timesteps, i / 2)) : timestepOf(at(middles, (i - 1) / 2), trained),
  );
  /** Before each call. */
  const sigmas = Float32Array.from({ length: calls }, (_, i) =>
    i % 2 === 0 ? at(once.sigmas, i / 2) : at(middles, (i - 1) / 2),
  );
  let start: Float32Array | null = null;

  return {
    timesteps,
    initNoiseSigma: firstSigma(once.sigmas, once.spacing),
    startOf: startsBySigma(sigmas, (step) => 2 * step),
    scaleModelInput: scaleBySigma(sigmas),
    step(modelOutput, i, sample, noise) {
      const sigma = at(sigmas, i);
      const clean = cleanOfSigma(prediction, sigma);
      const slope = zip2(sample, modelOutput, (x, output) => f(x - clean(output, x)) / sigma);
      if (start === null) {
        start = sample;
        const change = f(at(middles, i / 2) - sigma);
        return zip2(sample, slope, (x, each) => x + f(each * change));
      }
      const { down, up } = at(moves, (i - 1) / 2);
      const change = f(down - at(sigmas, i - 1));
      const moved = zip2(start, slope, (x, each) => x + f(each * change));
      start = null;
      return stochastic ? zip2(moved, noise(), (x, fresh) => x + f(fresh * up)) : moved;
    },
  };
}

/** Half way from one σ to another by their logarithms, as torch.lerp rounds it. */
function middleOf(from: number, to: number, stochastic: boolean): number {
  if (to === 0) return 0;
  const logs = [f(Math.log(from)), f(Math.log(to))] as const;
  const [first, last] = stochastic ? logs : [logs[1], logs[0]];
  return f(Math.exp(f(last - f(f(last - first) / 2))));
}
