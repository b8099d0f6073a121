/**
 * @file Strategic stochastic sampling of trajectory consistency distillation (Zheng et al. 2024, arXiv 2402.19159,
 * algorithm 4), as diffusers' TCDScheduler computes it: for models and adapters distilled for 2 to 8 steps.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { zip2 } from '../zip.ts';
import { cleanOfSignal } from './clean-sample.ts';
import { distilledTimesteps } from './distilled-timesteps.ts';
import { alphasCumprod } from './noise-levels.ts';
import { startsByLevel } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';

const f = Math.fround;
/** γ of the paper: how much of each step is noise again. The class's default, which the authors use for 4 steps. */
const GAMMA = 0.3;

/**
 * `eta` in the config is γ, which diffusers' pipelines take as an argument.
 *
 * @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID
 */
export function createTcd(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  const levels = alphasCumprod(
    config.with({
      beta_start: config.number('beta_start', 0.00085),
      beta_end: config.number('beta_end', 0.012),
      beta_schedule: config.get('beta_schedule') ?? 'scaled_linear',
    }),
  );
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const gamma = config.number('eta', GAMMA);
  if (gamma < 0 || gamma > 1) throw config.invalid('eta', 'a number from 0 to 1');
  const timesteps = distilledTimesteps(config, 'tcd', steps);
  /** √ᾱ and √(1-ᾱ). */
  const rootsOf = (level: number) => [f(Math.sqrt(level)), f(Math.sqrt(f(1 - level)))] as const;

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: startsByLevel(levels, timesteps),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample, noise) {
      const [signal, sigma] = rootsOf(at(levels, at(timesteps, i)));
      const clean = cleanOfSignal(prediction, signal, sigma);
      const last = i === steps - 1;
      const next = last ? 0 : at(timesteps, i + 1);
      const between = at(levels, Math.floor((1 - gamma) * next));
      const [betweenSignal, betweenSigma] = rootsOf(between);
      const moved = zip2(sample, modelOutput, (x, output) => {
        let epsilon: number;
        switch (prediction) {
          case 'epsilon':
            epsilon = output;
            break;
          case 'sample':
            epsilon = f(f(x - f(signal * output)) / sigma);
            break;
          case 'v_prediction':
            epsilon = f(f(signal * output) + f(sigma * x));
            break;
        }
        return f(betweenSignal * clean(output, x)) + f(betweenSigma * epsilon);
      });
      if (last) return moved;
      const left = f(at(levels, next) / between);
      const [share, spread] = rootsOf(left);
      return zip2(moved, noise(), (x, fresh) => f(share * x) + f(spread * fresh));
    },
  };
}
