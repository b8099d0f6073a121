/**
 * @file Strengths from comparisons: Bradley–Terry (1952), P(i beats j) = σ(θᵢ − θⱼ), with a Gaussian prior on
 * each strength, so that an arm with few comparisons stays near 0 and one without any has just the prior.
 * A place in the grid has a strength of its own that is fitted beside: people vote for what they see first.
 */

import { groupBy } from '../../core/group.ts';

export interface Comparison {
  readonly winner: string;
  readonly loser: string;
  /** How much it counts; a voter's weights in one set sum to at most 1. */
  readonly weight: number;
  /** Places in the grid, from 0. */
  readonly winnerPlace: number;
  readonly loserPlace: number;
}

export interface Strength {
  /** Log-odds against an average arm. */
  readonly estimate: number;
  /** Standard error of the estimate, from the curvature of the posterior. */
  readonly error: number;
}

/** Spread of strengths expected before any vote: the better of two random arms wins about 3 times in 4. */
const ARM_SPREAD = 1.5;
/** Spread of the places' strengths expected before any vote. */
const PLACE_SPREAD = 0.5;

/** Cholesky factor L of a symmetric positive definite matrix, M = L·Lᵀ. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const lower = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]![j]!;
      for (let k = 0; k < j; k++) sum -= lower[i]![k]! * lower[j]![k]!;
      lower[i]![j] = i === j ? Math.sqrt(sum) : sum / lower[j]![j]!;
    }
  return lower;
}

/** x with L·Lᵀ·x = b. */
function solve(lower: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = [...b];
  for (let i = 0; i < x.length; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i]![k]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i]! -= lower[k]![i]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  return x;
}

/**
 * Posterior mode and standard error of every arm, by Newton's method on the log posterior
 * Σ w·log σ(x·θ) − Σ θₖ²/(2·sₖ²), which is strictly concave.
 *
 * @param arms - all arms to report, compared or not
 */
export function bradleyTerry(
  arms: readonly string[],
  comparisons: readonly Comparison[],
): Map<string, Strength> {
  const places = 1 + Math.max(-1, ...comparisons.flatMap((c) => [c.winnerPlace, c.loserPlace]));
  const index = new Map(arms.map((arm, i) => [arm, i]));
  const size = arms.length + places;
  const precision = (k: number): number => 1 / (k < arms.length ? ARM_SPREAD : PLACE_SPREAD) ** 2;
  // Each comparison adds the winner's and takes away the loser's parameters; equal ones are counted together, as
  // there are far more votes than different comparisons.
  const same = groupBy(comparisons, (c) => `${c.winner} ${c.loser} ${c.winnerPlace} ${c.loserPlace}`);
  const rows = [...same.values()].map((list) => {
    const { winner, loser, winnerPlace, loserPlace } = list[0]!;
    return {
      weight: list.reduce((sum, { weight }) => sum + weight, 0),
      terms: [
        { k: index.get(winner)!, sign: 1 },
        { k: arms.length + winnerPlace, sign: 1 },
        { k: index.get(loser)!, sign: -1 },
        { k: arms.length + loserPlace, sign: -1 },
      ],
    };
  });

  const theta = new Array<number>(size).fill(0);
  let lower: number[][] = [];
  for (let iteration = 0; iteration < 100; iteration++) {
    const gradient = theta.map((value, k) => -value * precision(k));
    const curvature = theta.map((_, k) => theta.map((_, l) => (k === l ? precision(k) : 0)));
    for (const { weight, terms } of rows) {
      const score = terms.reduce((sum, { k, sign }) => sum + sign * theta[k]!, 0);
      const surprise = 1 / (1 + Math.exp(score));
      for (const a of terms) {
        gradient[a.k]! += weight * surprise * a.sign;
        for (const b of terms) curvature[a.k]![b.k]! += weight * surprise * (1 - surprise) * a.sign * b.sign;
      }
    }
    lower = cholesky(curvature);
    const step = solve(lower, gradient);
    // A step longer than 1 may overshoot where σ is flat; the posterior is concave, so shortening is enough.
    const longest = Math.max(0, ...step.map(Math.abs));
    const scale = longest > 1 ? 1 / longest : 1;
    step.forEach((value, k) => (theta[k]! += scale * value));
    if (longest < 1e-9) break;
  }
  return new Map(
    arms.map((arm, k) => {
      const unit = theta.map((_, l) => (l === k ? 1 : 0));
      return [arm, { estimate: theta[k]!, error: Math.sqrt(solve(lower, unit)[k]!) }];
    }),
  );
}
