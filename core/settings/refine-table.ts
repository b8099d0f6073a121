/** @file The settings of refinements: trainings that go on from an adapter with what members preferred. */
import { PREFERENCES } from './choices.ts';
import type { Setting } from './setting.ts';

/** Defaults are those that OneTrainer begins with; `krona evaluate votes` compares them with others. */
export const REFINE_SETTINGS = {
  preference: {
    type: 'text',
    choices: PREFERENCES,
    description: 'Loss on pairs of pictures when refining',
    default: 'dpo',
    cli: { name: 'preference', value: 'name' },
    about: 'IPO pulls each margin to 1/(2β) instead of ever further, so a few wrong votes change less',
    source: 'Diffusion-DPO, arXiv 2311.12908; IPO, arXiv 2310.12036',
  },
  beta: {
    type: 'number',
    min: 0,
    aboveMin: true,
    max: 1e6,
    description: 'How strongly refining stays with the adapter that it started from, β of the loss on pairs',
    default: 200,
    cli: { name: 'beta', value: 'x' },
    about: 'On mean squared errors',
    source: "OneTrainer's pull request 1403",
  },
  photoWeight: {
    type: 'number',
    min: 0,
    max: 100,
    description: 'Weight of the photos and the best pictures beside the pairs when refining',
    default: 0.25,
    cli: { name: 'photo-weight', value: 'x' },
    source: "OneTrainer's pull request 1403",
  },
  exampleSteps: {
    type: 'integer',
    min: 0,
    max: 1_000_000,
    description: 'First steps of refining, on the photos and the best pictures without pairs',
    default: 0,
    cli: { name: 'example-steps', value: 'n' },
  },
} as const satisfies Readonly<Record<string, Setting>>;
