/**
 * @file DPM-Solver++ in its single-step form of orders 1 to 3 (2S; Lu et al. 2022, arXiv 2211.01095, algorithm 1), and its
 * stochastic sibling, as diffusers' DPMSolverSinglestepScheduler computes them: a step of order n is n calls of the model,
 * each of which starts again from the first one's sample.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { multistepLevels } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { SOLVER_TYPES, solverShares } from './solver-shares.ts';
import { zip2 } from '../zip.ts';

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDpmppSingle(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const algorithm = config.oneOf('algorithm_type', ['dpmsolver++', 'sde-dpmsolver++', 'deis'], 'dpmsolver++');
  const heun = config.oneOf('solver_type', SOLVER_TYPES, 'midpoint') === 'heun';
  const stochastic = algorithm === 'sde-dpmsolver++';
  // The class has one spacing, and doesn't know zero terminal SNR.
  const fields = config.with({
    timestep_spacing: 'linspace',
    steps_offset: 0,
    rescale_betas_zero_snr: false,
    use_lu_lambdas: false,
  });
  const { timesteps, levels } = multistepLevels(fields, steps, { clips: true });
  const orders = ordersOf(config, steps);
  /** Clean samples of this call and those before, newest first. */
  let cleans: Float32Array[] = [];
  let start: Float32Array | null = null;

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: (step) => ({ ...at(levels, step), call: step }),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample, noise) {
      const { signal, sigma } = at(levels, i);
      const clean = zip2(modelOutput, sample, cleanOfSignal(prediction, signal, sigma));
      cleans = [clean, ...cleans].slice(0, 3);
      const fresh = stochastic ? noise() : null;
      // A run from a picture can begin inside a step.
      const order = Math.min(at(orders, i), cleans.length);
      if (order === 1 || start === null) start = sample;
      const origin = start;

      const [from, to] = [at(levels, i - order + 1), at(levels, i + 1)];
      const shares = solverShares(from, to, stochastic);
      const share = (age: number): number =>
        (at(levels, i - age).lambda - from.lambda) / (to.lambda - from.lambda);
      const [r0, r1] = order === 3 ? [share(0), share(1)] : [order === 2 ? share(0) : 1, 1];
      const oldest = at(cleans, order - 1);
      const second = at(cleans, Math.max(0, order - 2));
      const bend = (place: number, m: number): number => {
        const last = (at(clean, place) - m) / r0;
        if (order === 1) return 0;
        if (order === 2) return (heun ? shares.slope : shares.midpoint) * last;
        if (!heun) return shares.slope * last;
        const earlier = (at(second, place) - m) / r1;
        const slope = (r0 * earlier - r1 * last) / (r0 - r1);
        return shares.slope * slope + (shares.curve * 2 * (last - earlier)) / (r0 - r1);
      };
      return origin.map((x, place) => {
        const m = at(oldest, place);
        const moved = shares.sample * x + shares.clean * m + bend(place, m);
        return fresh ? moved + shares.spread * at(fresh, place) : moved;
      });
    },
  };
}

/** The order of the update after each call: 1, 2, …, `solver_order` again and again, and lower ones at the end. */
function ordersOf(config: ConfigFields, steps: number): readonly number[] {
  const most = config.integer('solver_order', 2);
  if (most > 3) throw config.unsupported('solver_order', '1, 2, 3');
  const toClean = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero') === 'zero';
  const lower = config.flag('lower_order_final', false) || toClean || steps % most !== 0;
  const orders = Array.from({ length: steps }, (_, i) => (i % most) + 1);
  if (lower && most > 1 && steps % most === 0) {
    // The last step is divided: 1, 2, 3 ends as 1, 2, 1, and 1, 2 as 1, 1.
    orders[steps - 1] = 1;
  }
  if (toClean) orders[steps - 1] = 1;
  return orders;
}
