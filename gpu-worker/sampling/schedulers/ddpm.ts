/** @file Ancestral sampling of DDPM (Ho et al. 2020, arXiv 2006.11239, algorithm 2), as diffusers' DDPMScheduler computes it. */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal, clipped } from './clean-sample.ts';
import { alphasCumprod } from './noise-levels.ts';
import { startsByLevel } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { roundHalfEven, spacedTimesteps, timestepSpacing } from './timesteps.ts';
import { zip2, zip3 } from '../zip.ts';

const f = Math.fround;
const VARIANCES = ['fixed_small', 'fixed_small_log', 'fixed_large'] as const;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDdpm(config: ConfigFields, steps: number): Scheduler {
  config.mustBe({ thresholding: false });
  const levels = alphasCumprod(config);
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const range = config.flag('clip_sample', true) ? config.number('clip_sample_range', 1) : Infinity;
  // null is what the DPM-Solver classes write; without a type diffusers takes the variance as it is, which is the small one.
  const kind =
    config.get('variance_type') === null
      ? 'fixed_small'
      : config.oneOf('variance_type', VARIANCES, 'fixed_small');
  const timesteps = Float32Array.from(
    spacedTimesteps(config, timestepSpacing(config, 'leading'), steps),
    roundHalfEven,
  );

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: startsByLevel(levels, timesteps),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample, noise) {
      const timestep = at(timesteps, i);
      const level = at(levels, timestep);
      const next = i + 1 < timesteps.length ? at(levels, at(timesteps, i + 1)) : 1;
      const [left, nextLeft] = [f(1 - level), f(1 - next)];
      const alpha = f(level / next);
      const beta = f(1 - alpha);
      const clean = clipped(cleanOfSignal(prediction, f(Math.sqrt(level)), f(Math.sqrt(left))), range);
      // The posterior's mean, eq. 7.
      const cleanShare = f(f(f(Math.sqrt(next)) * beta) / left);
      const sampleShare = f(f(f(Math.sqrt(alpha)) * nextLeft) / left);
      const small = Math.max(1e-20, f(f(nextLeft / left) * beta));
      const variance = kind === 'fixed_large' ? beta : small;
      const spread = timestep > 0 ? f(Math.sqrt(variance)) : 0;
      const mean = (x: number, output: number): number =>
        f(f(cleanShare * clean(output, x)) + f(sampleShare * x));
      return timestep > 0
        ? zip3(sample, modelOutput, noise(), (x, output, fresh) => mean(x, output) + f(spread * fresh))
        : zip2(sample, modelOutput, mean);
    },
  };
}
