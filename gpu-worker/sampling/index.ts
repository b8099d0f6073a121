/**
 * @file `krona/sampling`: draws pictures from prompts.
 *
 * Open a model once with `TextToImage.open`, `draw` as often as you like, and save with `writePicture`. `imagineDefaults`
 * gives steps, guidance and size for a model (see `modelCard` of `krona/adapters`).
 */
export {
  TextToImage,
  type DrawHooks,
  type DrawnPicture,
  type DrawRequest,
  type StartPicture,
} from './text-to-image.ts';
export { drawRefined, type Refinement } from './refine.ts';
export { imagineDefaults, type ImagineDefaults } from './imagine-defaults.ts';
export { Previews } from './previews.ts';
export { writePicture } from './picture-file.ts';
export { createScheduler } from './schedulers/create-scheduler.ts';
export type { PredictionType, Scheduler } from './schedulers/scheduler.ts';
