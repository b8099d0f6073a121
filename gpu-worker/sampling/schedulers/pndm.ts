/**
 * @file PLMS, the linear multistep half of PNDM (Liu et al. 2022, arXiv 2202.09778, eq. 9 and 12), as diffusers'
 * PNDMScheduler computes it with skip_prk_steps: the scheduler that SD 1.x folders name.
 */
import type { ConfigFields } from '../../models/config-fields.ts';
import { alphasCumprod, trainTimesteps } from './noise-levels.ts';
import type { Scheduler } from './scheduler.ts';
import { roundHalfEven, spacedTimesteps, timestepSpacing } from './timesteps.ts';

const f = Math.fround;

/** Weights of the newest outputs, newest first, by how many there are. */
const WEIGHTS = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
] as const;

/**
 * One call more than `steps`: the second timestep is looked at twice, and the first step taken again with the mean.
 *
 * @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID
 */
export function createPndm(config: ConfigFields, steps: number): Scheduler {
  // Runge-Kutta steps first would take four calls each for a worse picture; no published model asks for them.
  if (config.get('skip_prk_steps') !== true) throw config.unsupported('skip_prk_steps', 'true');
  const levels = alphasCumprod(config);
  const prediction = config.oneOf('prediction_type', ['epsilon', 'v_prediction'], 'epsilon');
  const finalLevel = config.flag('set_alpha_to_one', false) ? 1 : levels[0]!;
  const stride = Math.floor(trainTimesteps(config) / steps);
  const spaced = [...spacedTimesteps(config, timestepSpacing(config, 'leading'), steps).map(roundHalfEven)];
  const timesteps = Float32Array.from(
    spaced.length < 2 ? spaced : [spaced[0]!, spaced[1]!, ...spaced.slice(1)],
  );

  let outputs: Float32Array[] = [];
  let first: Float32Array | null = null;

  const advance = (sample: Float32Array, noise: Float32Array, from: number, to: number): Float32Array => {
    const level = levels[from]!;
    const next = to >= 0 ? levels[to]! : finalLevel;
    const [rest, nextRest] = [f(1 - level), f(1 - next)];
    const sampleShare = f(Math.sqrt(f(next / level)));
    const divisor = f(f(level * f(Math.sqrt(nextRest))) + f(Math.sqrt(f(f(level * rest) * next))));
    const change = f(next - level);
    const [signal, sigma] = [f(Math.sqrt(level)), f(Math.sqrt(rest))];
    return sample.map((x, i) => {
      const given = noise[i]!;
      const output = prediction === 'epsilon' ? given : f(f(signal * given) + f(sigma * x));
      return f(sampleShare * x) - f(f(change * output) / divisor);
    });
  };

  return {
    timesteps,
    initNoiseSigma: 1,
    scaleModelInput: (sample) => sample,
    step(modelOutput, i, sample) {
      const timestep = timesteps[i]!;
      if (i === 1) {
        // The first step again, from where it began, with the mean of the outputs at its two ends.
        const mean = modelOutput.map((x, at) => f(x + outputs[0]![at]!) / 2);
        return advance(first!, mean, timestep + stride, timestep);
      }
      if (i === 0) first = sample;
      outputs = [modelOutput, ...outputs].slice(0, 4);
      const weights = WEIGHTS[outputs.length - 1]!;
      const kept = outputs;
      const combined = modelOutput.map((_, at) =>
        weights.reduce<number>((sum, weight, k) => sum + weight * kept[k]![at]!, 0),
      );
      return advance(sample, combined, timestep, timestep - stride);
    },
  };
}
