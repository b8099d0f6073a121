/**
 * @file DPM-Solver++ in its multi-step form of orders 1 to 3 (2M, 3M; Lu et al. 2022, arXiv 2211.01095, algorithm 2), and
 * its stochastic sibling, as diffusers' DPMSolverMultistepScheduler computes them.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { FEW, multistepLevels } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { SOLVER_TYPES, solverShares } from './solver-shares.ts';
import { zip2 } from '../zip.ts';

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDpmpp(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const algorithm = config.oneOf('algorithm_type', ['dpmsolver++', 'sde-dpmsolver++', 'deis'], 'dpmsolver++');
  const solverOrder = config.integer('solver_order', 2);
  if (solverOrder > 3) throw config.unsupported('solver_order', '1, 2, 3');
  const heun = config.oneOf('solver_type', SOLVER_TYPES, 'midpoint') === 'heun';
  const lowerFinal = config.flag('lower_order_final', true) && steps < FEW;
  const firstAtEnd =
    config.flag('euler_at_final', false) || config.get('final_sigmas_type') !== 'sigma_min' || lowerFinal;
  const { timesteps, levels } = multistepLevels(config, steps, { clips: true, cutsCosine: true });
  const stochastic = algorithm === 'sde-dpmsolver++';
  /** Clean samples of the calls before, newest first. */
  let before: Float32Array[] = [];

  const orderAt = (i: number): number => {
    const most = i === steps - 1 && firstAtEnd ? 1 : i === steps - 2 && lowerFinal ? 2 : 3;
    return Math.min(most, solverOrder, before.length + 1);
  };

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
      const order = orderAt(i);
      const [newer = clean, older = clean] = before;
      before = [clean, ...before].slice(0, 2);

      const shares = solverShares(now, next, stochastic);
      const h = next.lambda - now.lambda;
      /** The last stretches of λ over this one. */
      const stretch = (age: number): number =>
        (at(levels, i - age).lambda - at(levels, i - age - 1).lambda) / h;
      // D1 = (m0 - m1) / r0.
      const slope = order > 1 ? h / (now.lambda - at(levels, i - 1).lambda) : 0;
      const [r0, r1] = order === 3 ? [stretch(0), stretch(1)] : [1, 1];
      const bend = (place: number, m: number): number => {
        if (order === 1) return 0;
        const last = slope * (m - at(newer, place));
        if (order === 2) return (heun ? shares.slope : shares.midpoint) * slope * (m - at(newer, place));
        const difference = last - (at(newer, place) - at(older, place)) / r1;
        const first = last + (r0 / (r0 + r1)) * difference;
        return shares.slope * first + (shares.curve * difference) / (r0 + r1);
      };
      return sample.map((x, place) => {
        const m = at(clean, place);
        const moved = shares.sample * x + shares.clean * m + bend(place, m);
        return fresh ? moved + shares.spread * at(fresh, place) : moved;
      });
    },
  };
}
