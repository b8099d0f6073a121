/**
 * @file Multi-step consistency sampling of latent consistency models (Luo et al. 2023, arXiv 2310.04378, algorithm 3),
 * as diffusers' LCMScheduler computes it: for models and adapters distilled for 1 to 8 steps.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal, clipped } from './clean-sample.ts';
import { distilledTimesteps } from './distilled-timesteps.ts';
import { alphasCumprod } from './noise-levels.ts';
import { startsByLevel } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { zip2 } from '../zip.ts';

const f = Math.fround;
/** σ of the data in the boundary condition, as in the consistency models' paper. */
const DATA = 0.5;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createLcm(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  const fields = config.with({
    beta_start: config.number('beta_start', 0.00085),
    beta_end: config.number('beta_end', 0.012),
    beta_schedule: config.get('beta_schedule') ?? 'scaled_linear',
  });
  const levels = alphasCumprod(fields);
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const range = config.flag('clip_sample', false) ? config.number('clip_sample_range', 1) : Infinity;
  const scaling = config.number('timestep_scaling', 10);
  const timesteps = distilledTimesteps(config, 'lcm', steps);

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: startsByLevel(levels, timesteps),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample, noise) {
      const timestep = at(timesteps, i);
      const level = at(levels, timestep);
      const scaled = timestep * scaling;
      const skip = f(DATA ** 2 / (scaled ** 2 + DATA ** 2));
      const out = f(scaled / Math.sqrt(scaled ** 2 + DATA ** 2));
      const clean = clipped(
        cleanOfSignal(prediction, f(Math.sqrt(level)), f(Math.sqrt(f(1 - level)))),
        range,
      );
      const denoised = zip2(sample, modelOutput, (x, output) => f(out * clean(output, x)) + f(skip * x));
      if (i === steps - 1) return denoised;
      const next = at(levels, at(timesteps, i + 1));
      const [signal, sigma] = [f(Math.sqrt(next)), f(Math.sqrt(f(1 - next)))];
      return zip2(denoised, noise(), (x, fresh) => f(signal * x) + f(sigma * fresh));
    },
  };
}
