/**
 * @file UniPC of second order (Zhao et al. 2023, arXiv 2302.04867, algorithms 5 to 8, data prediction), as diffusers'
 * UniPCMultistepScheduler computes it: each call's output first corrects the sample it was made for, then predicts the next.
 */
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { multistepLevels, type Level } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createUniPc(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false, predict_x0: true });
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const solverOrder = config.integer('solver_order', 2);
  if (solverOrder > 2) throw config.unsupported('solver_order', '1, 2');
  const simple = config.get('solver_type') === 'bh1';
  const lowerFinal = config.flag('lower_order_final', true);
  const { timesteps, levels } = multistepLevels(lastSigma(config), steps);
  /** Clean samples predicted so far, newest first, and the corrected sample that the newest was predicted for. */
  let cleans: Float32Array[] = [];
  let last: { readonly sample: Float32Array; readonly order: 1 | 2 } | null = null;

  /** B(h) and the two right-hand sides of the paper's linear system, for h = −(step in λ). */
  const terms = (h: number) => {
    const phi1 = Math.expm1(h);
    const b = simple ? h : phi1;
    const phi2 = phi1 / h - 1;
    return { phi1, b, right: [phi2 / b, ((phi2 / h - 1 / 2) * 2) / b] as const };
  };

  const correct = (clean: Float32Array, i: number, predicted: Float32Array): Float32Array => {
    if (last === null) return predicted;
    const [from, to] = [levels[i - 1]!, levels[i]!];
    const step = to.lambda - from.lambda;
    const { phi1, b, right } = terms(-step);
    // Order 1: the weight 1/2 of the new output alone. Order 2: ρ from [[1, 1], [r, 1]] ρ = right.
    const r = last.order === 2 ? (levels[i - 2]!.lambda - from.lambda) / step : 1;
    const old = last.order === 2 ? (right[0] - right[1]) / (1 - r) : 0;
    const fresh = last.order === 2 ? right[0] - old : 0.5;
    const [m0, m1] = [cleans[0]!, cleans[1] ?? cleans[0]!];
    const shares = { sample: to.sigma / from.sigma, clean: to.signal * phi1, rest: to.signal * b };
    return last.sample.map((x, at) => {
      const rest = old * ((m1[at]! - m0[at]!) / r) + fresh * (clean[at]! - m0[at]!);
      return shares.sample * x - shares.clean * m0[at]! - shares.rest * rest;
    });
  };

  const predict = (i: number, order: 1 | 2, sample: Float32Array): Float32Array => {
    const [from, to] = [levels[i]!, levels[i + 1]!] as [Level, Level];
    const step = to.lambda - from.lambda;
    const { phi1, b } = terms(-step);
    const r = order === 2 ? (levels[i - 1]!.lambda - from.lambda) / step : 1;
    const [m0, m1] = [cleans[0]!, cleans[1] ?? cleans[0]!];
    const shares = { sample: to.sigma / from.sigma, clean: to.signal * phi1, rest: to.signal * b };
    return sample.map((x, at) => {
      const rest = order === 2 ? 0.5 * ((m1[at]! - m0[at]!) / r) : 0;
      return shares.sample * x - shares.clean * m0[at]! - shares.rest * rest;
    });
  };

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: (step) => ({ ...levels[step]!, call: step }),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, predicted) {
      const toClean = cleanOfSignal(prediction, levels[i]!.signal, levels[i]!.sigma);
      const clean = modelOutput.map((output, at) => toClean(output, predicted[at]!));
      const sample = correct(clean, i, predicted);
      cleans = [clean, ...cleans].slice(0, 2);
      const left = lowerFinal ? steps - i : solverOrder;
      const order = Math.min(solverOrder, left, cleans.length) as 1 | 2;
      last = { sample, order };
      return predict(i, order, sample);
    },
  };
}

/** With spread sigmas the class ends at the least of them, not at the first timestep's. */
function lastSigma(config: ConfigFields): ConfigFields {
  const spread = config.get('use_karras_sigmas') === true || config.get('use_exponential_sigmas') === true;
  if (spread && config.get('final_sigmas_type') === 'sigma_min')
    throw config.unsupported('final_sigmas_type', '"zero" with spread sigmas');
  return config;
}
