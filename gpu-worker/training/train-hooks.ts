/** @file How a training run reports to its caller. */
import type { TrainProgress } from './train-options.ts';

export interface SavedAdapter {
  /** Optimiser steps that it was trained for. */
  readonly step: number;
  /** The adapter's file. */
  readonly path: string;
  /** The end of the run, not a checkpoint. */
  readonly final: boolean;
}

export interface TrainHooks {
  /** After every optimiser step, and at every change of phase. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** After each checkpoint and at the end, when the file is whole. */
  readonly onSaved?: (saved: SavedAdapter) => Promise<void>;
  /** Waits here before every micro-batch, so that other work gets its turn on the device. */
  readonly turn?: () => Promise<void>;
  readonly signal?: AbortSignal;
}
