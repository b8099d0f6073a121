/**
 * @file DEIS in its multi-step form on log ρ, of orders 1 to 3 (Zhang and Chen 2022, arXiv 2204.13902), as diffusers'
 * DEISMultistepScheduler computes it.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { zip2 } from '../zip.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { FEW, multistepLevels, type Level } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { SOLVER_TYPES } from './solver-shares.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDeis(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  config.oneOf('algorithm_type', ['deis', 'dpmsolver', 'dpmsolver++'], 'deis');
  config.oneOf('solver_type', SOLVER_TYPES, 'logrho');
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const solverOrder = config.integer('solver_order', 2);
  if (solverOrder > 3) throw config.unsupported('solver_order', '1, 2, 3');
  const lowerFinal = config.flag('lower_order_final', true) && steps < FEW;
  // The class ends at the least σ, and doesn't know zero terminal SNR.
  const fields = config.with({
    final_sigmas_type: 'sigma_min',
    rescale_betas_zero_snr: false,
    use_lu_lambdas: false,
  });
  const { timesteps, levels } = multistepLevels(fields, steps, { endsAtSpread: true });
  /** The noise that each call predicted, newest first. */
  let noises: Float32Array[] = [];

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: (step) => ({ ...at(levels, step), call: step }),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample) {
      const { signal, sigma } = at(levels, i);
      const toClean = cleanOfSignal(prediction, signal, sigma);
      const noise = zip2(
        modelOutput,
        sample,
        (output, x) => f(x - f(signal * f(toClean(output, x)))) / sigma,
      );
      noises = [noise, ...noises].slice(0, 3);
      const most = lowerFinal ? steps - i : solverOrder;
      const order = Math.min(most, solverOrder, noises.length);
      const to = at(levels, i + 1);
      if (order === 1) {
        const [sampleShare, noiseShare] = [
          f(to.signal / signal),
          f(to.sigma * f(f(Math.exp(f(to.lambda - at(levels, i).lambda))) - 1)),
        ];
        return zip2(sample, noise, (x, each) => f(sampleShare * x) - f(noiseShare * each));
      }
      const from = Array.from({ length: order }, (_, age) => logRho(at(levels, i - age)));
      const weights = from.map((_, age) => weightOf(rho(to), rho(at(levels, i)), from, age));
      return sample.map((x, place) => {
        const start = f(x / signal);
        const moved = weights.reduce(
          (sum, weight, age) => f(sum + f(weight * at(at(noises, age), place))),
          start,
        );
        return to.signal * moved;
      });
    },
  };
}

const rho = ({ signal, sigma }: Level): number => f(sigma / signal);
const logRho = (level: Level): number => f(Math.log(rho(level)));

/** The integral between two ρ of the polynomial in log ρ that is 1 at the call of `age` and 0 at the others. */
function weightOf(to: number, from: number, logs: readonly number[], age: number): number {
  const own = at(logs, age);
  // In the order in which diffusers names them.
  const [c = 0, d] = [...logs.slice(age + 1), ...logs.slice(0, age)];
  const integral =
    d === undefined ? (t: number) => linear(t, own, c) : (t: number) => quadratic(t, own, c, d);
  return f(integral(to) - integral(from));
}

function linear(t: number, b: number, c: number): number {
  const log = f(Math.log(t));
  return f(f(t * f(f(log - c) - 1)) / f(b - c));
}

function quadratic(t: number, b: number, c: number, d: number): number {
  const log = f(Math.log(t));
  const terms = [f(d * log), -d, -f(log * log), f(2 * log), -2];
  const sum = terms.reduce((left, term) => f(left - term), f(c * f(f(d - log) + 1)));
  return f(f(t * sum) / f(f(b - c) * f(b - d)));
}
