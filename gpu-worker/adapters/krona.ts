/** @file The shapes of the Kronecker adapter of DiffuseKronA (arXiv 2402.17412), as options choose them. */
import { KronaError } from '../../core/errors.ts';
import type { ProjectionShape } from '../../core/settings/settings.ts';
import { KroneckerShape } from './forms/kronecker.ts';
import { projectionKind, type ProjectionKind } from './targets.ts';

/** (a1, a2) of kinds of projections that have their own. */
export type FactorPairs = Readonly<Partial<Record<ProjectionKind, readonly [a1: number, a2: number]>>>;

/**
 * A ⊗ B for every projection, with one shape of A for all or for each kind of projection.
 * @throws KronaError FACTORS_DO_NOT_DIVIDE naming the first projection that it doesn't fit
 */
export function factorShapes(
  projections: readonly ProjectionShape[],
  allA1: number,
  allA2: number,
  pairs: FactorPairs = {},
): ReadonlyMap<string, KroneckerShape> {
  return new Map(
    projections.map(({ path, out, in: inputs }) => {
      const [a1, a2] = pairs[projectionKind(path)] ?? [allA1, allA2];
      for (const [name, factor, side] of [
        ['a1', a1, out],
        ['a2', a2, inputs],
      ] as const) {
        if (side % factor !== 0) {
          throw new KronaError(
            'FACTORS_DO_NOT_DIVIDE',
            `${name}=${factor} does not divide ${side} (${path}); choose one of ${divisors(side).join(', ')}.`,
          );
        }
      }
      return [path, new KroneckerShape({ a1, a2, b1: out / a1, b2: inputs / a2 })];
    }),
  );
}

const divisors = (side: number): number[] =>
  Array.from({ length: side }, (_, i) => i + 1).filter((n) => side % n === 0);
