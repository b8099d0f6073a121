/**
 * @file DPM-Solver++ in its multi-step form of second order (2M; Lu et al. 2022, arXiv 2211.01095, algorithm 2), and
 * its stochastic sibling, as diffusers' DPMSolverMultistepScheduler computes them.
 */
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { multistepLevels } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';

const f = Math.fround;
/** Below this many steps the last is of first order, which is steadier. */
const FEW = 15;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDpmpp(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const algorithm = config.oneOf('algorithm_type', ['dpmsolver++', 'sde-dpmsolver++'], 'dpmsolver++');
  const order = config.integer('solver_order', 2);
  if (order > 2) throw config.unsupported('solver_order', '1, 2');
  const heun = config.get('solver_type') === 'heun';
  const lowerFinal = config.flag('lower_order_final', true) && steps < FEW;
  const firstAtEnd =
    config.flag('euler_at_final', false) || config.get('final_sigmas_type') !== 'sigma_min' || lowerFinal;
  const { timesteps, levels } = multistepLevels(config, steps);
  const stochastic = algorithm === 'sde-dpmsolver++';
  let before: Float32Array | null = null;

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: (step) => ({ ...levels[step]!, call: step }),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample, noise) {
      const [now, next] = [levels[i]!, levels[i + 1]!];
      const toClean = cleanOfSignal(prediction, now.signal, now.sigma);
      const clean = modelOutput.map((output, at) => toClean(output, sample[at]!));
      const fresh = stochastic ? noise() : null;
      const second = order === 2 && before !== null && !(i === steps - 1 && firstAtEnd);
      const earlier = second ? before! : clean;
      before = clean;

      const h = next.lambda - now.lambda;
      // D1 = (m0 - m1) / r0, with r0 the last stretch of λ over this one.
      const slope = second ? h / (now.lambda - levels[i - 1]!.lambda) : 0;
      let [sampleShare, cleanShare, slopeShare, spread] = [0, 0, 0, 0];
      if (stochastic) {
        const change = -Math.expm1(-2 * h);
        sampleShare = (next.sigma / now.sigma) * Math.exp(-h);
        cleanShare = next.signal * change;
        slopeShare = heun ? next.signal * (change / (-2 * h) + 1) : 0.5 * cleanShare;
        spread = f(next.sigma * Math.sqrt(change));
      } else {
        const change = Math.expm1(-h);
        sampleShare = next.sigma / now.sigma;
        cleanShare = -next.signal * change;
        slopeShare = heun ? next.signal * (change / h + 1) : 0.5 * cleanShare;
      }
      return sample.map((x, at) => {
        const m = clean[at]!;
        const moved =
          sampleShare * x + cleanShare * m + (second ? slopeShare * slope * (m - earlier[at]!) : 0);
        return fresh === null ? moved : moved + spread * fresh[at]!;
      });
    },
  };
}
