/** @file How a training run reports to its caller. */
import type { CheckpointScorer } from './checkpoint-scorer.ts';
import type { CachedPhoto } from './photo-cache.ts';
import type { CheckpointScore } from '../../core/records.ts';
import type { TrainProgress } from './train-options.ts';

export interface SavedAdapter {
  /** Optimiser steps trained so far. */
  readonly step: number;
  /** The adapter's file. */
  readonly path: string;
  /** True at the end of the run, false for a checkpoint. */
  readonly final: boolean;
}

/** What runs of the same model, photos, examples' options and subject share: filled by the first, read by the others. */
export interface SharedWork {
  photos?: Promise<CachedPhoto[]>;
  scorer?: CheckpointScorer;
}

export interface TrainHooks {
  readonly shared?: SharedWork;
  /** Called after every optimiser step, and at every change of phase. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Called after each checkpoint and at the end, when the file is complete. */
  readonly onSaved?: (saved: SavedAdapter) => Promise<void>;
  /** Called after a checkpoint was scored, before it is told of as saved. */
  readonly onScored?: (score: CheckpointScore) => void;
  /** Called when the state to resume from was saved, with its steps; with 0 after each class picture that was kept. */
  readonly onState?: (step: number) => void;
  /** Waits here before every micro-batch, so that other work gets its turn on the device. */
  readonly turn?: () => Promise<void>;
  readonly signal?: AbortSignal;
}
