/** @file The shapes of the Kronecker adapter of DiffuseKronA (arXiv 2402.17412), as options choose them. */
import { checkFactors } from '../../core/settings/check.ts';
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import { KroneckerShape } from './forms/kronecker.ts';
import { projectionKind, type ProjectionKind } from './targets.ts';

/** (a1, a2) of kinds of projections that have their own. */
export type FactorPairs = Readonly<Partial<Record<ProjectionKind, readonly [a1: number, a2: number]>>>;

/**
 * A ⊗ B for every projection, with one shape of A for all or for each kind of projection.
 * @throws KronaError FACTORS_UNFIT naming a projection and the values that fit all of its kind
 */
export function factorShapes(
  projections: readonly ProjectionShape[],
  allA1: number,
  allA2: number,
  pairs: FactorPairs = {},
): ReadonlyMap<string, KroneckerShape> {
  const pairOf = ({ path }: ProjectionShape) => pairs[projectionKind(path)];
  checkFactors(
    { a1: allA1, a2: allA2 },
    projections.filter((projection) => pairOf(projection) === undefined),
  );
  for (const pair of Object.values(pairs))
    checkFactors(
      { a1: pair[0], a2: pair[1] },
      projections.filter((projection) => pairOf(projection) === pair),
    );
  return new Map(
    projections.map((projection) => {
      const [a1, a2] = pairOf(projection) ?? [allA1, allA2];
      return [
        projection.path,
        new KroneckerShape({ a1, a2, b1: projection.out / a1, b2: projection.in / a2 }),
      ];
    }),
  );
}
