/**
 * @file UniPC of second order (Zhao et al. 2023, arXiv 2302.04867, algorithms 5 to 8, data prediction), as diffusers'
 * UniPCMultistepScheduler computes it: each call's output first corrects the sample it was made for, then predicts the next.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { zip2, zip3 } from '../zip.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { multistepLevels, type Level } from './multistep-levels.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { SPREADS } from './sigmas.ts';

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createUniPc(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false, predict_x0: true });
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const solverOrder = config.integer('solver_order', 2);
  if (solverOrder > 2) throw config.unsupported('solver_order', '1, 2');
  const lowerFinal = config.flag('lower_order_final', true);
  const { timesteps, levels } = multistepLevels(lastSigma(config), steps);
  const simple = config.get('solver_type') === 'bh1';
  /** Calls after which the next does not correct. */
  const skipped: unknown = config.get('disable_corrector') ?? [];
  if (!Array.isArray(skipped)) throw config.unsupported('disable_corrector', 'a list of steps');
  /** Clean samples predicted so far, newest first, and the corrected sample that the newest was predicted for. */
  let cleans: Float32Array[] = [];
  let last: { readonly sample: Float32Array; readonly second: boolean } | null = null;

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: (step) => ({ ...at(levels, step), call: step }),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, uncorrected) {
      const { signal, sigma } = at(levels, i);
      const clean = zip2(modelOutput, uncorrected, cleanOfSignal(prediction, signal, sigma));
      const sample =
        last && !skipped.includes(i - 1)
          ? corrected(updateFrom(levels, i - 1, last.second, simple), last.sample, clean, cleans, last.second)
          : uncorrected;
      const left = lowerFinal ? steps - i : solverOrder;
      const [before] = cleans;
      const second = Math.min(solverOrder, left) === 2 && before !== undefined;
      cleans = [clean, ...cleans].slice(0, 2);
      last = { sample, second };
      return predicted(updateFrom(levels, i, second, simple), sample, clean, second ? before : null);
    },
  };
}

/** The update from level i to the next, beside what the clean samples bring in: as B(h) h (`bh1`) or e^h − 1 (`bh2`). */
function updateFrom(levels: readonly Level[], i: number, second: boolean, simple: boolean) {
  const [from, to] = [at(levels, i), at(levels, i + 1)];
  const step = to.lambda - from.lambda;
  const h = -step;
  const phi1 = Math.expm1(h);
  const b = simple ? h : phi1;
  const phi2 = phi1 / h - 1;
  return {
    r: second ? (at(levels, i - 1).lambda - from.lambda) / step : 1,
    /** The right-hand sides of the paper's linear system. */
    right: [phi2 / b, ((phi2 / h - 1 / 2) * 2) / b] as const,
    shares: { sample: to.sigma / from.sigma, clean: to.signal * phi1, rest: to.signal * b },
  };
}

type Update = ReturnType<typeof updateFrom>;

/**
 * The sample that a call's output is for, corrected by it.
 * @param sample of the call before
 * @param clean predicted by the call
 * @param cleans predicted by the calls before, newest first
 */
function corrected(
  { r, right, shares }: Update,
  sample: Float32Array,
  clean: Float32Array,
  [newest = clean, older = newest]: readonly Float32Array[],
  second: boolean,
): Float32Array {
  // Order 1: the weight 1/2 of the new output alone. Order 2: ρ from [[1, 1], [r, 1]] ρ = right.
  const old = second ? (right[0] - right[1]) / (1 - r) : 0;
  const fresh = second ? right[0] - old : 0.5;
  return sample.map((x, place) => {
    const [m0, m1] = [at(newest, place), at(older, place)];
    const rest = old * ((m1 - m0) / r) + fresh * (at(clean, place) - m0);
    return shares.sample * x - shares.clean * m0 - shares.rest * rest;
  });
}

/** The next sample. @param newest predicted by this call @param older by the one before, for the second order */
function predicted(
  { r, shares }: Update,
  sample: Float32Array,
  newest: Float32Array,
  older: Float32Array | null,
): Float32Array {
  return zip3(sample, newest, older ?? newest, (x, m0, m1) => {
    const rest = older ? 0.5 * ((m1 - m0) / r) : 0;
    return shares.sample * x - shares.clean * m0 - shares.rest * rest;
  });
}

/** With spread sigmas the class ends at the least of them, not at the first timestep's. */
function lastSigma(config: ConfigFields): ConfigFields {
  const spread = SPREADS.some((field) => config.get(field) === true);
  if (spread && config.get('final_sigmas_type') === 'sigma_min')
    throw config.unsupported('final_sigmas_type', '"zero" with spread sigmas');
  return config;
}
