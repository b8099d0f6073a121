/**
 * @file `krona/training`: trains an adapter on photos.
 *
 * `trainAdapter` takes every option; `trainRecipe` and `trainDefaults` give the defaults for a model (see `modelCard` of
 * `krona/adapters`), and `listPhotos` finds the photos of a folder. docs/training.md explains each option.
 */
export { trainAdapter } from './train.ts';
export {
  runSweep,
  type SweepHooks,
  type SweepOptions,
  type SweepProgress,
  type SweepResult,
} from './sweep.ts';
export { rungsOf, sweepSteps, type Rung, type SweepAxes, type SweepCell } from '../../core/sweep-plan.ts';
export type { SavedAdapter, TrainHooks } from './train-hooks.ts';
export {
  trainDefaults,
  trainRecipe,
  type TrainOptions,
  type TrainProgress,
  type TrainResult,
} from './train-options.ts';
export {
  refineRecipe,
  type PairFigures,
  type PreferencePair,
  type PreferencePoint,
  type RefineOptions,
  type WeightedExample,
} from './refine-options.ts';
export { listPhotos } from './photo-folder.ts';
export { loadPhoto, type TrainingPhoto } from './photos.ts';
export { AdamW, ADAMW_DEFAULTS, initialState, type AdamWSettings, type OptimizerState } from './adamw.ts';
export { noiseSchedule, type NoiseSchedule } from './noise-schedule.ts';
export { addNoise, denoisingLoss, noisyBatch, type NoisyBatch } from './loss.ts';
