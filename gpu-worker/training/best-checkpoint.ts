/** @file Which checkpoint of a run is the best so far by its score, and whether more steps are worth it. */
import { defaultOf } from '../../core/settings/defaults.ts';
import type { CheckpointScore } from '../../core/records.ts';
import type { TrainOptions } from './train-options.ts';

/** Checkpoints of a run that keeps the best, unless its options say how often to save. */
const CHECKPOINTS = 8;

/** Optimiser steps between checkpoints; null: only the end is saved. */
export function checkpointInterval({
  keep,
  steps,
  checkpointEvery,
}: Pick<TrainOptions, 'keep' | 'steps' | 'checkpointEvery'>): number | null {
  return checkpointEvery ?? (keep === 'best' ? Math.ceil(steps / CHECKPOINTS) : null);
}

/** The first with the highest score; null without any. */
export function bestOf(scores: readonly CheckpointScore[]): CheckpointScore | null {
  return scores.reduce<CheckpointScore | null>(
    (best, each) => (best === null || each.score > best.score ? each : best),
    null,
  );
}

/** Whether so many checkpoints in a row are no better than the best that a run should end. */
export function isPastBest(
  scores: readonly CheckpointScore[],
  { keep, patience = defaultOf('patience') }: Pick<TrainOptions, 'keep' | 'patience'>,
): boolean {
  const best = bestOf(scores);
  if (keep !== 'best' || best === null) return false;
  return scores.length - 1 - scores.indexOf(best) >= patience;
}
