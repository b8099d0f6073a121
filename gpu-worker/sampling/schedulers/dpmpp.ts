/**
 * @file DPM-Solver++ in its multi-step form of second order (2M; Lu et al. 2022, arXiv 2211.01095, algorithm 2), and
 * its stochastic sibling, as diffusers' DPMSolverMultistepScheduler computes them.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { multistepLevels } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { zip2 } from '../zip.ts';

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
    startOf: (step) => ({ ...at(levels, step), call: step }),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample, noise) {
      const [now, next] = [at(levels, i), at(levels, i + 1)];
      const toClean = cleanOfSignal(prediction, now.signal, now.sigma);
      const clean = zip2(modelOutput, sample, toClean);
      const fresh = stochastic ? noise() : null;
      const earlier = order === 2 && !(i === steps - 1 && firstAtEnd) ? before : null;
      before = clean;

      const h = next.lambda - now.lambda;
      // D1 = (m0 - m1) / r0, with r0 the last stretch of λ over this one.
      const slope = earlier ? h / (now.lambda - at(levels, i - 1).lambda) : 0;
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
      return sample.map((x, place) => {
        const m = at(clean, place);
        const curve = earlier ? slopeShare * slope * (m - at(earlier, place)) : 0;
        const moved = sampleShare * x + cleanShare * m + curve;
        return fresh ? moved + spread * at(fresh, place) : moved;
      });
    },
  };
}
