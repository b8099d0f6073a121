/** @file The options of a refinement: training that goes on from an adapter with what members preferred. */
import type { Preference } from '../../core/settings/choices.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';

/** Two pictures of one prompt. */
export interface PreferencePair {
  /** Paths. */
  readonly winner: string;
  readonly loser: string;
  /** What the pictures were drawn from, with the subject's token. */
  readonly prompt: string;
  /** Above 0, relative to the other pairs'. */
  readonly weight: number;
  /** Pairs of one set are held out together. */
  readonly set: string;
}

/** A picture to train on like a photo, with a caption of its own. */
export interface WeightedExample {
  /** Path. */
  readonly picture: string;
  readonly prompt: string;
  /** Above 0, relative to the other examples'. */
  readonly weight: number;
}

export interface RefineOptions {
  /** Path of the adapter to go on from, which is also the reference of the preference loss. It decides the method. */
  readonly from: string;
  readonly pairs: readonly PreferencePair[];
  /** All of them weigh as much as all photos. */
  readonly examples: readonly WeightedExample[];
  readonly preference: Preference;
  /** β of the preference loss, on mean squared errors; 200 in OneTrainer's pull request 1403. */
  readonly beta: number;
  /** Weight of the photos' and examples' loss beside the preference loss. */
  readonly photoWeight: number;
  /** The first steps train on photos and examples alone, without pairs. */
  readonly exampleSteps: number;
}

/** Measures on some pairs at a step. */
export interface PairFigures {
  /** Mean of (e_l − e_l^ref) − (e_w − e_w^ref): above 0 where the adapter prefers the winners more than before. */
  readonly margin: number;
  /** Weighted share of pairs with a margin above 0; a margin of exactly 0 counts half. */
  readonly accuracy: number;
}

/** A point of a refinement's curves; figures of training pairs are means since the point before. */
export interface PreferencePoint extends PairFigures {
  readonly step: number;
  /** Of the pairs, without the photos' part. */
  readonly loss: number;
  readonly photoLoss: number;
  /** Of pairs that are not trained on, with the same noise at every point; null without such pairs. */
  readonly heldOut: PairFigures | null;
}

/** Defaults: half the steps of a training at half its rate, as the adapter has learnt its subject already. */
export function refineRecipe(model: ModelCard): Pick<
  RefineOptions,
  'preference' | 'beta' | 'photoWeight' | 'exampleSteps'
> & {
  readonly steps: number;
  readonly lr: number;
} {
  return {
    preference: defaultOf('preference'),
    beta: defaultOf('beta'),
    photoWeight: defaultOf('photoWeight'),
    exampleSteps: defaultOf('exampleSteps'),
    steps: Math.ceil(defaultOf('steps', model) / 2),
    lr: defaultOf('lr', model) / 2,
  };
}
