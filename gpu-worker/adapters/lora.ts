/** @file The shapes of a LoRA (arXiv 2106.09685), as options choose them. */
import { KronaError } from '../../core/errors.ts';
import type { ProjectionShape } from '../../core/settings/settings.ts';
import { LowRankShape } from './forms/low-rank.ts';

/** @throws KronaError RANK_UNFIT if the rank is above the narrowest projection's */
export function lowRankShapes(
  projections: readonly ProjectionShape[],
  rank: number,
  alpha: number,
): ReadonlyMap<string, LowRankShape> {
  return new Map(
    projections.map(({ path, out, in: inputs }) => {
      const most = Math.min(out, inputs);
      if (rank > most)
        throw new KronaError(
          'RANK_UNFIT',
          `rank=${rank} is above the rank that ${path} (${out}×${inputs}) can have; choose at most ${most}.`,
        );
      return [path, new LowRankShape({ rank, out, in: inputs, scale: alpha / rank })];
    }),
  );
}
