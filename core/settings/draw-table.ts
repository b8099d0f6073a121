/** @file The table of settings that decide how pictures are drawn; training's are in train-table.ts. */
import { NOISES, SCHEDULERS } from './choices.ts';
import type { Setting } from './setting.ts';

/**
 * The embedded model's scheduler adds noise at each step, which mends what an earlier one got wrong; guidance of more
 * than 3 leaves stains. Pictures of SDXL have guidance 7, the best for such adapters of 1 to 50 by DiffuseKronA's paper,
 * not diffusers' 5, which suits the base model; others have diffusers' 7.5, as the paper finds 7 to 10 alike. It draws
 * in 50 steps and finds 30 to 70 alike, so 30 do.
 */
export const DRAW_SETTINGS = {
  guidance: {
    type: 'number',
    min: 1,
    max: 30,
    description: 'Guidance scale: how closely pictures follow the prompt (1 = off)',
    default: { small: 3, large: 7.5, sdxl: 7 },
    chat: { name: 'guidance' },
    cli: { name: 'guidance', value: 'x' },
    source: 'DiffuseKronA, arXiv 2402.17412',
  },
  rescale: {
    type: 'number',
    min: 0,
    max: 1,
    description: 'Guidance rescale, against overexposure; 0.7 for zero terminal SNR',
    default: 0,
    chat: { name: 'rescale' },
    cli: { name: 'guidance-rescale', value: 'x' },
    source: 'arXiv 2305.08891, §3.4',
  },
  scheduler: {
    type: 'text',
    choices: SCHEDULERS,
    orWord: 'model',
    description: 'Sampling method',
    default: null,
    chat: { name: 'scheduler' },
    cli: {
      name: 'scheduler',
      value: 'name',
      description: 'Sampling method; pndm skips the Runge–Kutta start, as for SD 1.x',
      default: "the model's",
    },
  },
  speed: {
    type: 'text',
    orWord: 'none',
    description: 'Adapter for few steps, by its file’s name',
    default: null,
    chat: { name: 'speed' },
  },
  samplingSteps: {
    type: 'integer',
    min: 1,
    max: 150,
    description: 'Denoising steps per picture',
    default: { small: 20, large: 30 },
    chat: { name: 'sampling_steps' },
    cli: { name: 'steps', value: 'n' },
  },
  negative: {
    type: 'text',
    maxLength: 500,
    orWord: 'none',
    description: 'What all pictures avoid; each prompt’s own negative prompt follows it',
    default: null,
    chat: { name: 'negative' },
  },
  size: {
    type: 'size',
    orWord: 'model',
    description: 'Width and height in pixels, such as 1024x768',
    default: null,
    chat: {
      name: 'size',
      description: 'Pixels, such as 1024x768, or “model” for its default',
    },
  },
  width: {
    type: 'integer',
    min: 8,
    max: 4096,
    description: 'Width of the pictures, pixels',
    default: null,
    cli: { name: 'width', value: 'n', default: "the model's" },
  },
  height: {
    type: 'integer',
    min: 8,
    max: 4096,
    description: 'Height of the pictures, pixels',
    default: null,
    cli: { name: 'height', value: 'n', default: "the model's" },
  },
  refine: {
    type: 'number',
    min: 0,
    max: 0.95,
    description: 'Share of the noise levels for the refiner; 0.2 for SDXL’s (0 = none)',
    default: 0,
    chat: { name: 'refine' },
  },
  refineFrom: {
    type: 'number',
    min: 0.05,
    max: 0.95,
    description: 'Share of the noise levels after which the refiner takes over',
    default: null,
    cli: { name: 'refine-from', value: 'x', default: 'it refines the finished latents' },
  },
  count: {
    type: 'integer',
    min: 1,
    max: 4,
    description: 'Number of pictures',
    default: 4,
    chat: { name: 'count' },
    cli: { name: 'count', value: 'n', max: 64, default: '1' },
  },
  imageStrength: {
    type: 'number',
    min: 0.01,
    max: 1,
    description: 'How much of the image may change',
    default: 0.8,
    cli: { name: 'strength', value: 'x' },
    source: "diffusers' image-to-image pipelines",
  },
  noise: {
    type: 'text',
    choices: NOISES,
    description: 'Noise generator; with torch, a seed gives the same picture as in diffusers',
    default: 'krona',
    cli: { name: 'noise', value: 'kind' },
  },
  tiles: {
    type: 'text',
    choices: ['auto', 'on', 'off'],
    description: 'Decode in tiles, to save memory',
    default: 'auto',
    cli: { name: 'tiles', value: 'when', default: 'auto, above two megapixels' },
  },
} as const satisfies Readonly<Record<string, Setting>>;
