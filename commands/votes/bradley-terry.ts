/**
 * @file Strengths from comparisons: Bradley–Terry (1952), P(i beats j) = σ(θᵢ − θⱼ), with a Gaussian prior on
 * each strength: an arm with few comparisons stays near 0, and one without any has the prior. The places in the grid
 * have strengths too, because people vote for what they see first.
 */

import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { at } from '../../core/at.ts';
import { groupBy } from '../../core/group.ts';

export interface Comparison {
  readonly winner: string;
  readonly loser: string;
  /** Its weight; a voter's weights in one set sum to at most 1. */
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

/** Prior standard deviation of arms: the better of two random arms wins about 3 times in 4. */
const ARM_SPREAD = 1.5;
/** Prior standard deviation of places. */
const PLACE_SPREAD = 0.5;

/**
 * Returns the posterior mode and standard error of every arm, by Newton's method on the log posterior
 * Σ w·log σ(x·θ) − Σ θₖ²/(2·sₖ²), which is strictly concave.
 *
 * @param arms - all arms to report, compared or not
 */
export function bradleyTerry(
  arms: readonly string[],
  comparisons: readonly Comparison[],
): Map<string, Strength> {
  // Without comparisons, an arm has its prior, and no part in the others' strengths.
  const compared = new Set(comparisons.flatMap(({ winner, loser }) => [winner, loser]));
  const strengths = strengthsOf(
    arms.filter((arm) => compared.has(arm)),
    comparisons,
  );
  return new Map(arms.map((arm) => [arm, strengths.get(arm) ?? { estimate: 0, error: ARM_SPREAD }]));
}

function strengthsOf(
  arms: readonly string[],
  comparisons: readonly Comparison[],
): ReadonlyMap<string, Strength> {
  const places =
    1 +
    comparisons.reduce((most, { winnerPlace, loserPlace }) => Math.max(most, winnerPlace, loserPlace), -1);
  const size = arms.length + places;
  const terms = termsOf(arms, comparisons);
  const precision = Matrix.diag(
    Array.from({ length: size }, (_, k) => 1 / (k < arms.length ? ARM_SPREAD : PLACE_SPREAD) ** 2),
  );
  const theta = Matrix.zeros(size, 1);
  let curvature = precision;
  for (let iteration = 0; iteration < 100; iteration++) {
    const gradient = precision.mmul(theta).neg();
    curvature = precision.clone();
    for (const { weight, parameters } of terms) {
      const score = parameters.reduce((sum, { k, sign }) => sum + sign * theta.get(k, 0), 0);
      const surprise = 1 / (1 + Math.exp(score));
      for (const a of parameters) {
        gradient.set(a.k, 0, gradient.get(a.k, 0) + weight * surprise * a.sign);
        for (const b of parameters)
          curvature.set(
            a.k,
            b.k,
            curvature.get(a.k, b.k) + weight * surprise * (1 - surprise) * a.sign * b.sign,
          );
      }
    }
    const step = new CholeskyDecomposition(curvature).solve(gradient);
    // A step longer than 1 can overshoot where σ is flat; as the posterior is concave, a shorter step is enough.
    const longest = step.isEmpty() ? 0 : Math.max(step.max(), -step.min());
    theta.add(step.mul(longest > 1 ? 1 / longest : 1));
    if (longest < 1e-9) break;
  }
  const covariance = new CholeskyDecomposition(curvature).solve(Matrix.eye(size));
  return new Map(
    arms.map((arm, k) => [arm, { estimate: theta.get(k, 0), error: Math.sqrt(covariance.get(k, k)) }]),
  );
}

/** Returns the strength of an arm that was passed to `bradleyTerry`. */
export function strengthOf(strengths: ReadonlyMap<string, Strength>, arm: string): Strength {
  const strength = strengths.get(arm);
  if (strength === undefined) throw new Error(`There is no strength of ${arm}.`);
  return strength;
}

/**
 * The parameters that each comparison adds (the winner's arm and place) and subtracts (the loser's). Equal comparisons
 * become one with the sum of their weights, because there are far more votes than different comparisons.
 */
function termsOf(arms: readonly string[], comparisons: readonly Comparison[]) {
  const index = new Map(arms.map((arm, k) => [arm, k]));
  const parameter = (arm: string, place: number, sign: 1 | -1) => {
    const k = index.get(arm);
    if (k === undefined) throw new Error(`A comparison is about ${arm}, which is not among the arms.`);
    return [
      { k, sign },
      { k: arms.length + place, sign },
    ];
  };
  const same = groupBy(comparisons, (c) => `${c.winner} ${c.loser} ${c.winnerPlace} ${c.loserPlace}`);
  return [...same.values()].map((list) => {
    const { winner, loser, winnerPlace, loserPlace } = at(list, 0);
    return {
      weight: list.reduce((sum, { weight }) => sum + weight, 0),
      parameters: [...parameter(winner, winnerPlace, 1), ...parameter(loser, loserPlace, -1)],
    };
  });
}
