/** @file The shapes of a LoRA (arXiv 2106.09685), as options choose them. */
import { checkRank } from '../../core/settings/check.ts';
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import { LowRankShape } from './forms/low-rank.ts';

/** @throws KronaError RANK_UNFIT if the rank is above the narrowest projection's */
export function lowRankShapes(
  projections: readonly ProjectionShape[],
  rank: number,
  alpha: number,
): ReadonlyMap<string, LowRankShape> {
  checkRank({ rank }, projections);
  return new Map(
    projections.map(({ path, out, in: inputs }) => [
      path,
      new LowRankShape({ rank, out, in: inputs, scale: alpha / rank }),
    ]),
  );
}
