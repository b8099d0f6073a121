/**
 * @file One step of DPM-Solver++ between two noise levels, as shares of its parts (Lu et al. 2022, arXiv 2211.01095, and for
 * the third order arXiv 2206.00927): next = sample·x + clean·m + slope·m′ + curve·m″ + spread·noise, where m is the clean
 * sample at the step's start and m′, m″ are its differences, which the multi-step and the single-step solver take differently.
 */
import type { Level } from './multistep-levels.ts';

interface SolverShares {
  readonly sample: number;
  readonly clean: number;
  /** Of the first difference, as `solver_type` "midpoint" has it. */
  readonly midpoint: number;
  /** Of the first difference, as `solver_type` "heun" and the third order have it. */
  readonly slope: number;
  /** Of the second difference; NaN where a step ends at the clean sample, which no third order does. */
  readonly curve: number;
  /** 0 unless stochastic. */
  readonly spread: number;
}

/** @param stochastic for the solver of the diffusion's SDE instead of its probability flow */
export function solverShares(from: Level, to: Level, stochastic: boolean): SolverShares {
  const h = to.lambda - from.lambda;
  const ratio = to.sigma / from.sigma;
  if (stochastic) {
    const change = -Math.expm1(-2 * h);
    const clean = to.signal * change;
    return {
      sample: ratio * Math.exp(-h),
      clean,
      midpoint: 0.5 * clean,
      slope: to.signal * (change / (-2 * h) + 1),
      curve: to.signal * ((change - 2 * h) / (2 * h) ** 2 - 0.5),
      spread: Math.fround(to.sigma * Math.sqrt(change)),
    };
  }
  const change = Math.expm1(-h);
  const clean = -to.signal * change;
  return {
    sample: ratio,
    clean,
    midpoint: 0.5 * clean,
    slope: to.signal * (change / h + 1),
    curve: -to.signal * ((change + h) / h ** 2 - 0.5),
    spread: 0,
  };
}

/** Names of `solver_type` of all multi-step classes; each takes those of the others for its own default. */
export const SOLVER_TYPES = ['midpoint', 'heun', 'logrho', 'bh1', 'bh2'] as const;
