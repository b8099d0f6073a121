/**
 * @file The noise levels a model was trained with, from a diffusers scheduler_config.json, rounded to fp32 where
 * diffusers rounds. All of diffusers' schedulers share these fields and defaults.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { isBuilt } from './class-names.ts';

/** More than any model has; each one costs memory. */
const MANY_TIMESTEPS = 100_000;
/** The fields that say the noise levels of a class that isn't built. */
const LEVEL_FIELDS = ['beta_schedule', 'beta_start', 'beta_end', 'trained_betas'];

/** Number of timesteps a model was trained with. */
export function trainTimesteps(config: ConfigFields): number {
  return config.integer('num_train_timesteps', 1000, { most: MANY_TIMESTEPS });
}

/**
 * ᾱ of every timestep: the share of the clean sample's variance that is left. Length: num_train_timesteps.
 *
 * @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export function alphasCumprod(config: ConfigFields): Float32Array {
  // Classes of flow matching and of EDM have no βs: other numbers than the model was trained with would draw noise.
  config.mustBe({ use_flow_sigmas: false });
  const className = config.get('_class_name');
  if (className !== null && !isBuilt(className) && LEVEL_FIELDS.every((field) => config.get(field) === null))
    throw config.unsupported(
      '_class_name',
      'schedulers with a beta_schedule, such as EulerDiscreteScheduler',
    );
  const betas = trainedBetas(config) ?? scheduledBetas(config);
  if (!betas.every((beta) => beta > 0 && beta < 1))
    throw config.invalid(
      config.get('trained_betas') === null ? 'beta_end' : 'trained_betas',
      'βs above 0 and below 1, from beta_start to beta_end',
    );
  return cumulativeProduct(config.flag('rescale_betas_zero_snr', false) ? rescaledToZeroSnr(betas) : betas);
}

/** ᾱ at the trained timestep nearest to one that a scheduler visits. */
export const levelAt = (levels: Float32Array, timestep: number): number =>
  at(levels, Math.min(levels.length - 1, Math.max(0, Math.round(timestep))));

function trainedBetas(config: ConfigFields): Float32Array | null {
  const betas = config.get('trained_betas');
  if (betas === null) return null;
  const count = trainTimesteps(config);
  if (!Array.isArray(betas) || betas.length !== count || !betas.every((b) => typeof b === 'number'))
    throw config.invalid('trained_betas', `null or ${count} numbers (num_train_timesteps)`);
  return Float32Array.from(betas);
}

function scheduledBetas(config: ConfigFields): Float32Array {
  const count = trainTimesteps(config);
  const schedule = config.oneOf('beta_schedule', ['linear', 'scaled_linear', 'squaredcos_cap_v2'], 'linear');
  if (schedule === 'squaredcos_cap_v2') {
    // Nichol and Dhariwal 2021 (arXiv 2102.09672), eq. 17.
    const alphaBar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    return Float32Array.from({ length: count }, (_, i) =>
      Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), 0.999),
    );
  }
  const [start, end] = [config.number('beta_start', 0.0001), config.number('beta_end', 0.02)];
  if (schedule === 'linear') return linspace32(start, end, count);
  return linspace32(Math.sqrt(start), Math.sqrt(end), count).map((root) => root * root);
}

/** torch.linspace: each half is counted from its own end, in fp32. */
export function linspace32(start: number, end: number, count: number): Float32Array {
  const f = Math.fround;
  const [first, last] = [f(start), f(end)];
  const step = f(f(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < Math.floor(count / 2) ? first + f(step * i) : last - f(step * (count - 1 - i)),
  );
}

/** ᾱ of given βs; torch.cumprod multiplies in fp64 and rounds each result. */
function cumulativeProduct(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => (product *= Math.fround(1 - beta)));
}

/** βs changed so that the last timestep is only noise (Lin et al. 2023, arXiv 2305.08891, algorithm 1). */
function rescaledToZeroSnr(betas: Float32Array): Float32Array {
  const f = Math.fround;
  const roots = cumulativeProduct(betas).map(Math.sqrt);
  const [first, last] = [at(roots, 0), at(roots, -1)];
  const stretch = f(first / f(first - last));
  const levels = roots.map((root) => f(f(root - last) * stretch) ** 2);
  return levels.map((level, i) => 1 - (i === 0 ? level : f(level / at(levels, i - 1))));
}
