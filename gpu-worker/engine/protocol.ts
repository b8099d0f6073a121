/** @file The messages between the worker and its engine process, in which errors keep their codes. */
import { describeError, KronaError } from '../../core/errors.ts';
import type { CheckpointScore, PromptLength } from '../../core/records.ts';
import type { Enlargement } from '../../core/pictures/enlarged-size.ts';
import type { Place } from '../../core/prompts/split.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { ChosenDevice } from '../graph/device.ts';
import type { DrawRequest } from '../sampling/text-to-image.ts';
import type { SavedAdapter } from '../training/train-hooks.ts';
import type { SweepOptions, SweepProgress, SweepResult } from '../training/sweep.ts';
import type { TrainOptions, TrainProgress, TrainResult } from '../training/train-options.ts';

/** Adapters that an engine keeps in memory, so that switching between a few costs nothing. */
export const KEPT_ADAPTERS = 4;

/** Pictures of one prompt, or its alternatives, each with its own seed and adapters. */
export interface DrawAsk extends Omit<
  DrawRequest,
  'adapter' | 'count' | 'seed' | 'noise' | 'start' | 'steer'
> {
  readonly pictures: readonly PictureAsk[];
  /** All adapters are multiplied by it. */
  readonly strength: number;
  /** Nobody waits for these pictures: those that somebody waits for go first. */
  readonly background: boolean;
  /** Whether the safety check scores each picture, and each preview. */
  readonly check: boolean;
  /** Whether to show what pictures look like before they are done; false by default. */
  readonly previews?: boolean;
  /** Share of the noise levels for the refiner, in [0, 1); 0 by default. Not with `from`. */
  readonly refine?: number;
  /** Name of an adapter for few steps that the worker has; its scheduler replaces the model's where `scheduler` is null. */
  readonly speed?: string | null;
  /** Start from this picture, cut and resized to their size. */
  readonly from?: FromPicture;
  /** Enlarge this picture file by a network instead of drawing; `width` and `height` are those of the result. */
  readonly enlarge?: { readonly png: Uint8Array; readonly scale: Enlargement };
  /** Draw more like some pictures and less like others, cut and resized to their size. */
  readonly steeredBy?: SteerPictures;
}

/** Picture files. */
export interface SteerPictures {
  readonly liked: readonly Uint8Array[];
  readonly disliked: readonly Uint8Array[];
}

export interface FromPicture {
  readonly png: Uint8Array;
  /** Share of the steps to run on it, in (0, 1]. */
  readonly strength: number;
  /** A picture of the same size, white where it is drawn anew; everywhere by default. */
  readonly mask?: Uint8Array;
}

export interface PictureAsk {
  readonly seed: number;
  /** By default that of the request. */
  readonly prompt?: string;
  /** Paths of adapter files, whose changes add up without `places`; none: the model alone. A path always has the same bytes. */
  readonly adapters: readonly string[];
  /** Of each adapter, where it acts alone; everywhere, and all together, by default. */
  readonly places?: readonly Place[];
}

export interface PngPicture {
  /** Its place in `DrawAsk.pictures`. */
  readonly place: number;
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
  /** The safety check's score for adult (NSFW) content, 0 to 1; null without a check. */
  readonly unsafe: number | null;
}

/** What a picture looks like before it is done. */
export interface DrawnPreview extends Pick<PngPicture, 'place' | 'unsafe'> {
  /** WebP. */
  readonly image: Uint8Array;
}

/** The engine's requests, the events of each, and its answer. Each names a model by its path. */
export interface EngineWork {
  device: { ask: null; event: never; answer: ChosenDevice };
  /** Its events are sentences for the log. */
  describe: { ask: null; event: { notice: string }; answer: ModelCard };
  /** Whether the adapter at a path can draw with the model. */
  fits: { ask: string; event: never; answer: boolean };
  /** Closes the model and forgets what is known of its files. */
  release: { ask: null; event: never; answer: null };
  train: {
    ask: Omit<TrainOptions, 'model'>;
    /** `state`: steps of the state that was just saved. */
    event:
      | { progress: TrainProgress }
      | { saved: SavedAdapter }
      | { scored: CheckpointScore }
      | { state: number };
    answer: TrainResult;
  };
  sweep: {
    ask: Omit<SweepOptions, 'model'>;
    /** `state`: steps of the state of a cell that was just saved; `waits`: for a training, which goes first. */
    event: { progress: SweepProgress } | { result: SweepResult } | { state: number } | { waits: true };
    answer: readonly SweepResult[];
  };
  draw: {
    ask: DrawAsk;
    /**
     * `step` counts the denoising steps of all pictures. The prompt's length comes first. Of pictures that are drawn together,
     * the first has previews. A notice is a sentence for the log.
     */
    event:
      | { step: number; steps: number }
      | { picture: PngPicture }
      | { preview: DrawnPreview }
      | { promptLength: PromptLength }
      | { notice: string };
    answer: null;
  };
}

export type EngineKind = keyof EngineWork;

export interface ErrorMessage {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** For the log only. */
  readonly stack?: string | undefined;
}

export type ToEngine =
  | {
      [K in EngineKind]: {
        readonly type: 'ask';
        readonly id: number;
        readonly kind: K;
        readonly model: string;
        readonly ask: EngineWork[K]['ask'];
      };
    }[EngineKind]
  | { readonly type: 'cancel'; readonly id: number; readonly reason: ErrorMessage };

export type FromEngine =
  /** A request computes from now on, until another one does. */
  | { readonly type: 'turn'; readonly id: number }
  | { readonly type: 'event'; readonly id: number; readonly event: EngineWork[EngineKind]['event'] }
  | { readonly type: 'done'; readonly id: number; readonly answer: EngineWork[EngineKind]['answer'] }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorMessage };

/** Anything thrown, as a message. An error that is no KronaError can succeed when tried again (storage/jobs/contract.ts). */
export function errorMessage(error: unknown): ErrorMessage {
  return {
    ...describeError(error),
    retryable: !(error instanceof KronaError) || error.retryable,
    stack: error instanceof Error ? error.stack : undefined,
  };
}

export function errorOf({ code, message, retryable, stack }: ErrorMessage): KronaError {
  return KronaError.reported({ code, message }, { retryable, cause: stack });
}
