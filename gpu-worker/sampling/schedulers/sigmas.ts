/**
 * @file Noise levels as σ = √((1-ᾱ)/ᾱ), and how a run of few steps spaces them: by timestep, or spread as
 * Karras et al. 2022 (arXiv 2206.00364, eq. 5), exponentially, or by a beta distribution. Shared by the schedulers of that family.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { betaQuantile } from './beta-quantile.ts';
import { alphasCumprod, linspace32 } from './noise-levels.ts';
import { linspace, spacedTimesteps, timestepSpacing, type Spacing } from './timesteps.ts';

export interface Sigmas {
  /** One a model call. */
  readonly timesteps: Float32Array;
  /** σ before each call, and after the last. */
  readonly sigmas: Float32Array;
  readonly spacing: Spacing;
}

/**
 * The largest σ. A timestep of only noise (ᾱ = 0) has no finite one; diffusers takes ᾱ = 2⁻²⁴ there, whose σ is
 * 4095.9999, and torch's square root makes that 4096.
 */
const SIGMA_OF_ZERO_SNR = 4096;

/** Fields of Euler's config that other classes of diffusers do not know and leave at these values. */
export const PLAIN_SIGMAS = {
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
  interpolation_type: 'linear',
  final_sigmas_type: 'zero',
  timestep_type: 'discrete',
} as const;

export const SPREADS = ['use_karras_sigmas', 'use_exponential_sigmas', 'use_beta_sigmas'] as const;

/** Fields of a class that spreads its σs as Euler does, and has none of Euler's other fields. */
export function spreadOnly(config: ConfigFields): ConfigFields {
  const spread = Object.fromEntries(SPREADS.map((field) => [field, config.get(field)]));
  return config.with({ ...PLAIN_SIGMAS, ...spread });
}

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function createSigmas(config: ConfigFields, steps: number): Sigmas {
  const f = Math.fround;
  const spacing = timestepSpacing(config, 'linspace');
  const trained = trainedSigmas(config);
  // diffusers keeps these timesteps in fp32 while it interpolates.
  let timesteps = Float32Array.from(spacedTimesteps(config, spacing, steps));
  let sigmas: Float64Array;
  if (config.oneOf('interpolation_type', ['linear', 'log_linear'], 'linear') === 'linear')
    sigmas = Float64Array.from(timesteps, (t) => interpolate(trained, t));
  else {
    const ends = [Math.log(at(trained, -1)), Math.log(at(trained, 0))] as const;
    // One more than there are calls, as in diffusers.
    sigmas = Float64Array.from(linspace32(...ends, steps + 1), (log) => f(Math.exp(log)));
  }

  const spread = spreadSigmas(config, sigmas, steps);
  if (spread !== null) {
    sigmas = spread;
    timesteps = Float32Array.from(spread, (sigma) => timestepOf(sigma, trained));
  }
  const final = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero');
  const all = Float32Array.from([...sigmas, final === 'zero' ? 0 : at(trained, 0)]);
  const continuous = config.oneOf('timestep_type', ['discrete', 'continuous'], 'discrete') === 'continuous';
  if (continuous && config.get('prediction_type') === 'v_prediction')
    timesteps = all.slice(0, -1).map((sigma) => 0.25 * f(Math.log(sigma)));
  return { timesteps, sigmas: all, spacing };
}

/** The first sample's noise is multiplied by it. */
export function firstSigma(sigmas: Float32Array, spacing: Spacing): number {
  const f = Math.fround;
  const largest = sigmas.reduce((a, b) => Math.max(a, b));
  // With `leading` the first σ is below the largest: the variance of the first sample is then σ² + 1.
  return spacing === 'leading' ? f(Math.sqrt(f(f(largest * largest) + 1))) : largest;
}

/** The sample at variance 1, as models that were trained on √ᾱ·clean + √(1-ᾱ)·noise want to see it. */
export function scaleBySigma(sigmas: Float32Array) {
  const f = Math.fround;
  return (sample: Float32Array, i: number): Float32Array => {
    const scale = f(Math.sqrt(f(f(at(sigmas, i) ** 2) + 1)));
    return sample.map((x) => x / scale);
  };
}

/** σ of every training timestep. */
export function trainedSigmas(config: ConfigFields): Float32Array {
  const f = Math.fround;
  return alphasCumprod(config).map((level) =>
    level === 0 ? SIGMA_OF_ZERO_SNR : Math.sqrt(f(f(1 - level) / level)),
  );
}

/** α of the distribution of "beta sigmas", whose β is the same. */
const BETA = 0.6;

/** Karras's, exponential or beta steps between the largest and smallest of `sigmas`; null where none is asked for. */
export function spreadSigmas(config: ConfigFields, sigmas: Float64Array, steps: number): Float64Array | null {
  const asked = SPREADS.filter((field) => config.flag(field, false));
  const [spread] = asked;
  if (spread === undefined) return null;
  if (asked.length > 1) throw config.invalid(spread, 'one of Karras, exponential and beta only');
  const bound = (key: string, own: number) => (config.get(key) === null ? own : config.number(key));
  const [least, largest] = [bound('sigma_min', at(sigmas, -1)), bound('sigma_max', at(sigmas, 0))];
  if (!(least > 0 && least <= largest))
    throw config.invalid('sigma_min', `above 0 and at most ${largest} (sigma_max)`);
  switch (spread) {
    case 'use_karras_sigmas': {
      const rho = 7;
      const [from, to] = [largest ** (1 / rho), least ** (1 / rho)];
      return linspace(0, 1, steps).map((ramp) => (from + ramp * (to - from)) ** rho);
    }
    case 'use_exponential_sigmas':
      return linspace(Math.log(largest), Math.log(least), steps).map(Math.exp);
    case 'use_beta_sigmas':
      return linspace(0, 1, steps).map((ramp) => least + betaQuantile(1 - ramp, BETA) * (largest - least));
  }
}

export interface AncestralStep {
  /** σ to go down to, below the one asked for. */
  readonly down: number;
  /** Deviation of the noise that leads back up to it. */
  readonly up: number;
}

/** How an ancestral step from one σ to another divides (k-diffusion's get_ancestral_step). */
export function ancestralStep(from: number, to: number): AncestralStep {
  const f = Math.fround;
  const [fromSquared, toSquared] = [f(from * from), f(to * to)];
  const up = f(Math.sqrt(f(f(toSquared * f(fromSquared - toSquared)) / fromSquared)));
  return { down: f(Math.sqrt(f(toSquared - f(up * up)))), up };
}

/** numpy.interp over 0, 1, 2, …: the value of `values` at a place between its indices. */
export function interpolate(values: Float32Array, place: number): number {
  const below = Math.floor(place);
  if (below >= values.length - 1) return at(values, -1);
  const [low, high] = [at(values, below), at(values, below + 1)];
  return (high - low) * (place - below) + low;
}

/** The place of σ among the training timesteps' σs, by its logarithm. */
export function timestepOf(sigma: number, trained: Float32Array): number {
  const f = Math.fround;
  const log = Math.log(Math.max(sigma, 1e-10));
  const logs = trained.map(Math.log);
  const below = logs.findLastIndex((each) => log - each >= 0);
  const place = Math.min(Math.max(below, 0), logs.length - 2);
  const [low, high] = [at(logs, place), at(logs, place + 1)];
  const share = Math.min(1, Math.max(0, (low - log) / f(low - high)));
  return (1 - share) * place + share * (place + 1);
}
