/**
 * @file Which of the training timesteps a run of fewer steps visits, from high to low: table 2 of Lin et al. 2023
 * (arXiv 2305.08891), with numpy's roundings as diffusers has them.
 */
import { KronaError } from '../../../core/errors.ts';
import type { ConfigFields } from '../../models/config-fields.ts';
import { trainTimesteps } from './noise-levels.ts';

const SPACINGS = ['leading', 'trailing', 'linspace'] as const;
export type Spacing = (typeof SPACINGS)[number];

/** timestep_spacing of a config. */
export function timestepSpacing(config: ConfigFields, fallback: Spacing): Spacing {
  return config.oneOf('timestep_spacing', SPACINGS, fallback);
}

/**
 * `steps` timesteps, highest first; fractions only with `linspace`.
 *
 * @throws KronaError STEPS_INVALID
 */
export function spacedTimesteps(config: ConfigFields, spacing: Spacing, steps: number): Float64Array {
  const total = trainTimesteps(config);
  const offset = config.integer('steps_offset', 0, { least: 0 });
  const atMost = spacing === 'leading' ? Math.max(1, total - offset) : total;
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > atMost)
    throw new KronaError(
      'STEPS_INVALID',
      `Sampling steps must be 1 to ${atMost} for this model; you gave ${steps}.`,
    );
  switch (spacing) {
    case 'leading': {
      const ratio = Math.floor(total / steps);
      return Float64Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + offset);
    }
    case 'trailing': {
      // The difference as it is after rounding, which is what numpy.arange continues with.
      const delta = total - total / steps - total;
      return Float64Array.from({ length: steps }, (_, i) => roundHalfEven(total + i * delta) - 1);
    }
    case 'linspace':
      return linspace(0, total - 1, steps).reverse();
  }
}

/** numpy.linspace. */
export function linspace(start: number, end: number, count: number): Float64Array {
  const step = (end - start) / (count - 1);
  return Float64Array.from({ length: count }, (_, i) =>
    i === 0 ? start : i === count - 1 ? end : i * step + start,
  );
}

/** numpy.round: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
