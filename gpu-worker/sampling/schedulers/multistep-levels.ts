/**
 * @file The noise levels of the multi-step solvers in log-SNR (DPM-Solver++, UniPC): timesteps spaced for one more step,
 * since the last goes to the clean sample; in diffusers' arithmetic.
 */
import { at } from '../../../core/at.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { KronaError } from '../../../core/errors.ts';
import { interpolate, spreadSigmas, timestepOf, trainedSigmas } from './sigmas.ts';
import { linspace, roundHalfEven, spacedTimesteps, timestepSpacing } from './timesteps.ts';

const f = Math.fround;

/** One noise level: noisy = signal·clean + sigma·noise. */
export interface Level {
  readonly signal: number;
  readonly sigma: number;
  /** ln(signal/sigma), half the logarithm of the signal-to-noise ratio. */
  readonly lambda: number;
}

export interface MultistepLevels {
  readonly timesteps: Float32Array;
  /** Before each call of the model, and after the last. */
  readonly levels: readonly Level[];
}

/** Below this many steps the solvers end with lower orders, which are steadier. */
export const FEW = 15;

interface Kind {
  /** The class knows lambda_min_clipped. */
  readonly clips?: boolean;
  /** The class ends at the least spread σ, where σs are spread. */
  readonly endsAtSpread?: boolean;
  /** The class doesn't round Karras's timesteps where the noise levels follow a cosine. */
  readonly cutsCosine?: boolean;
}

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED, STEPS_INVALID */
export function multistepLevels(config: ConfigFields, steps: number, kind: Kind = {}): MultistepLevels {
  config.mustBe({ use_lu_lambdas: false });
  const trained = trainedSigmas(config);
  const visited = kind.clips === true ? visitedTimesteps(config, trained) : trained.length;
  let timesteps = Float64Array.from(multistepTimesteps(config, steps, visited), roundHalfEven);
  let sigmas: Float64Array = timesteps.map((timestep) => interpolate(trained, timestep));
  const spread = spreadSigmas(config, Float64Array.from(trained).reverse(), steps);
  if (spread !== null) {
    sigmas = spread;
    // diffusers rounds Karras's timesteps and cuts the others off.
    const cuts = kind.cutsCosine === true && config.get('beta_schedule') === 'squaredcos_cap_v2';
    const whole = config.get('use_karras_sigmas') === true && !cuts ? roundHalfEven : Math.trunc;
    timesteps = spread.map((sigma) => whole(timestepOf(sigma, trained)));
  }
  const final = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero');
  const least = kind.endsAtSpread === true && spread !== null ? at(spread, -1) : at(trained, 0);
  return {
    timesteps: Float32Array.from(timesteps),
    levels: [...sigmas, final === 'zero' ? 0 : least].map((sigma) => levelOf(f(sigma))),
  };
}

/** How many timesteps are left without those noisier than lambda_min_clipped, for cosine schedules. */
function visitedTimesteps(config: ConfigFields, trained: Float32Array): number {
  const clipped = config.get('lambda_min_clipped');
  if (clipped === null || clipped === -Infinity) return trained.length;
  const least = config.number('lambda_min_clipped');
  const visited = trained.filter((sigma) => levelOf(sigma).lambda >= least).length;
  if (visited < trained.length && timestepSpacing(config, 'linspace') === 'trailing')
    throw config.unsupported('lambda_min_clipped', 'null with trailing timesteps');
  return visited;
}

function levelOf(ratio: number): Level {
  const signal = f(1 / f(Math.sqrt(f(f(ratio * ratio) + 1))));
  const sigma = f(ratio * signal);
  return { signal, sigma, lambda: f(f(Math.log(signal)) - f(Math.log(sigma))) };
}

function multistepTimesteps(config: ConfigFields, steps: number, total: number): Float64Array {
  const spacing = timestepSpacing(config, 'linspace');
  if (spacing === 'trailing') return spacedTimesteps(config, spacing, steps);
  const offset = config.integer('steps_offset', 0, { least: 0 });
  const atMost = spacing === 'leading' ? Math.max(1, total - offset - 1) : total - 1;
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > atMost)
    throw new KronaError(
      'STEPS_INVALID',
      `Sampling steps must be 1 to ${atMost} for this model; you gave ${steps}.`,
    );
  if (spacing === 'linspace')
    return linspace(0, total - 1, steps + 1)
      .reverse()
      .subarray(0, steps);
  const ratio = Math.floor(total / (steps + 1));
  return Float64Array.from({ length: steps }, (_, i) => (steps - i) * ratio + offset);
}
