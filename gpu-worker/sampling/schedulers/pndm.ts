/**
 * @file Pseudo linear multi-step (PLMS) steps (Liu et al. 2022, arXiv 2202.09778), as diffusers' PNDMScheduler with
 * skip_prk_steps computes them: the scheduler that folders of Stable Diffusion 1.x name. n steps call the model n + 1 times.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { alphasCumprod, trainTimesteps } from './noise-levels.ts';
import { startsByLevel } from './picture-start.ts';
import type { Scheduler } from './scheduler.ts';
import { roundHalfEven, spacedTimesteps, timestepSpacing } from './timesteps.ts';
import { zip2 } from '../zip.ts';

const f = Math.fround;

/** Weights of the newest outputs, newest first: Adams–Bashforth of orders 2 to 4. */
const WEIGHTS: readonly (readonly number[])[] = [
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createPndm(config: ConfigFields, steps: number): Scheduler {
  // Without it the first twelve calls are Runge–Kutta steps, which no latent model's folder asks for.
  const skip = config.get('_class_name') !== 'PNDMScheduler' || config.flag('skip_prk_steps', false);
  if (!skip) throw config.unsupported('skip_prk_steps', 'true');
  const levels = alphasCumprod(config.with({ rescale_betas_zero_snr: false }));
  const prediction = config.oneOf('prediction_type', ['epsilon', 'v_prediction'], 'epsilon');
  const finalLevel = config.flag('set_alpha_to_one', false) ? 1 : at(levels, 0);
  const stride = Math.floor(trainTimesteps(config) / steps);
  const spaced = Array.from(
    spacedTimesteps(config, timestepSpacing(config, 'leading'), steps),
    roundHalfEven,
  );
  // The second is visited twice: there the first slope is corrected, as with Heun.
  const timesteps = Float32Array.from([...spaced.slice(0, 2), ...spaced.slice(1)]);
  let outputs: Float32Array[] = [];
  let first: Float32Array | null = null;

  /** One step of the deterministic transfer (eq. 11) from one level to another. */
  const transfer = (sample: Float32Array, from: number, to: number, output: Float32Array): Float32Array => {
    const level = at(levels, from);
    const next = to >= 0 ? at(levels, to) : finalLevel;
    const [left, nextLeft] = [f(1 - level), f(1 - next)];
    const [signal, sigma] = [f(Math.sqrt(level)), f(Math.sqrt(left))];
    const sampleShare = f(Math.sqrt(f(next / level)));
    const denominator = f(f(level * f(Math.sqrt(nextLeft))) + f(Math.sqrt(f(f(level * left) * next))));
    const change = f(next - level);
    return zip2(sample, output, (x, each) => {
      const noise = prediction === 'epsilon' ? each : f(f(signal * each) + f(sigma * x));
      return f(sampleShare * x) - f(f(change * noise) / denominator);
    });
  };

  return {
    timesteps,
    initNoiseSigma: 1,
    startOf: startsByLevel(levels, timesteps, (step) => (step === 0 ? 0 : step + 1)),
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample) {
      const timestep = at(timesteps, i);
      if (i === 1 && first !== null) {
        const mean = zip2(modelOutput, at(outputs, 0), (now, before) => f(now + before) / 2);
        const start = first;
        first = null;
        return transfer(start, timestep + stride, timestep, mean);
      }
      outputs = [modelOutput, ...outputs].slice(0, 4);
      if (i === 0) first = sample;
      const weights = WEIGHTS[outputs.length - 2];
      const mixed = weights
        ? modelOutput.map((_, place) =>
            outputs.reduce((sum, output, age) => sum + at(weights, age) * at(output, place), 0),
          )
        : modelOutput;
      return transfer(sample, timestep, timestep - stride, mixed);
    },
  };
}
