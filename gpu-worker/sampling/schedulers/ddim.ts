/** @file DDIM without added noise (Song et al. 2021, arXiv 2010.02502), as diffusers' DDIMScheduler computes it. */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { cleanOfSignal, clipped } from './clean-sample.ts';
import { alphasCumprod, trainTimesteps } from './noise-levels.ts';
import { startsByLevel } from './picture-start.ts';
import { PREDICTION_TYPES, type Scheduler } from './scheduler.ts';
import { roundHalfEven, spacedTimesteps, timestepSpacing } from './timesteps.ts';
import { zip2 } from '../zip.ts';

const f = Math.fround;

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createDdim(config: ConfigFields, steps: number): Scheduler {
  // Thresholding needs pixels; latents have no range to keep to.
  config.mustBe({ thresholding: false });
  const levels = alphasCumprod(config);
  const prediction = config.oneOf('prediction_type', PREDICTION_TYPES, 'epsilon');
  const range = config.flag('clip_sample', true) ? config.number('clip_sample_range', 1) : Infinity;
  const finalLevel = config.flag('set_alpha_to_one', true) ? 1 : at(levels, 0);
  const stride = Math.floor(trainTimesteps(config) / steps);
  const timesteps = Float32Array.from(
    spacedTimesteps(config, timestepSpacing(config, 'leading'), steps),
    roundHalfEven,
  );

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: startsByLevel(levels, timesteps),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample) {
      const timestep = at(timesteps, i);
      const level = at(levels, timestep);
      const nextLevel = timestep >= stride ? at(levels, timestep - stride) : finalLevel;
      // √ᾱ and √(1-ᾱ), here and after the step.
      const [signal, sigma] = [f(Math.sqrt(level)), f(Math.sqrt(f(1 - level)))];
      const [nextSignal, nextSigma] = [f(Math.sqrt(nextLevel)), f(Math.sqrt(f(1 - nextLevel)))];
      const clean = clipped(cleanOfSignal(prediction, signal, sigma), range);
      return zip2(sample, modelOutput, (x, output) => {
        let noise: number;
        switch (prediction) {
          case 'epsilon':
            noise = output;
            break;
          case 'sample':
            noise = f(f(x - f(signal * output)) / sigma);
            break;
          case 'v_prediction':
            noise = f(f(signal * output) + f(sigma * x));
            break;
        }
        return f(nextSignal * clean(output, x)) + f(nextSigma * noise);
      });
    },
  };
}
