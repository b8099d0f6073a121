/** @file Prepares a run before its first step: the model, the adapter, the examples and the texts. */
import { KronaError } from '../../core/errors.ts';
import { checkTrainable } from '../../core/settings/check.ts';
import { adapterLayout, type AdapterShapes } from '../adapters/adapter.ts';
import type { AdapterInfo } from '../adapters/files/adapter-info.ts';
import { ADAPTER_METHODS, type AdapterMethod } from '../adapters/methods.ts';
import { modelCard } from '../adapters/model-card.ts';
import type { Precision } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openModel } from '../models/open-model.ts';
import type { FlatLayout } from '../models/parameters.ts';
import { ADAMW_DEFAULTS, initialState, type AdamWSettings, type OptimizerState } from './adamw.ts';
import { trainsText } from './adapter-graph.ts';
import type { Dataset } from './dataset.ts';
import { trainedPhotos } from './held-out-photos.ts';
import { lrShare } from './lr-schedule.ts';
import { noiseSchedule, type NoiseSchedule } from './noise-schedule.ts';
import { adapterInfoOf } from './run-facts.ts';
import type { Pairs } from './pairs.ts';
import { refineStart } from './refine-start.ts';
import { runIdentity, type RunIdentity } from './run-identity.ts';
import { Texts } from './texts.ts';
import { trainData } from './train-data.ts';
import type { TrainHooks } from './train-hooks.ts';
import type { TrainOptions } from './train-options.ts';

export interface TrainPlan {
  readonly options: TrainOptions;
  readonly precision: Precision;
  readonly model: ModelFolder;
  readonly schedule: NoiseSchedule;
  readonly method: AdapterMethod;
  /** Layout of the trained parameters in the model. */
  readonly shapes: AdapterShapes;
  /** Number of trained parameters. */
  readonly layout: FlatLayout;
  readonly adamw: AdamWSettings;
  /** Metadata of the adapter's file. */
  readonly info: AdapterInfo;
  /** The same for runs that can resume each other. */
  readonly identity: RunIdentity;
  readonly dataset: Dataset;
  /** Of a refinement; null for other trainings. */
  readonly pairs: Pairs | null;
  /** The first micro-batch with pairs. */
  readonly firstPairs: number;
  readonly texts: Texts;
  /** Whether text encoders are trained too. */
  readonly textTrained: boolean;
  /** Whether all examples have the same prompt. */
  readonly onePrompt: boolean;
  /** Learning rate of optimiser step `step`, from 0. */
  readonly learningRate: (step: number) => number;
  /** The trained parameters at the start: the method's own, or those of the adapter that a refinement goes on from. */
  readonly startParameters: () => Float32Array;
  /** Initial state of a fresh run. */
  readonly initialState: () => OptimizerState;
}

/**
 * Opens the model, encodes photos and texts, and draws class pictures where the options ask for them.
 *
 * @param report called with the name of each phase
 * @param given the options; a refinement takes some from the adapter that it goes on from
 * @throws KronaError MODEL_* (MODEL_INPAINTING for one that can only draw), ADAPTER_* and SAFETENSORS_* of that adapter, REFINE_UNSUPPORTED, PAIRS_MISSING, PHOTO_*, MASK_*, FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED,
 * TRACE_UNSUPPORTED, NOISE_STRENGTH_UNSUPPORTED, FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function planTraining(
  given: TrainOptions,
  hooks: TrainHooks,
  report: (phase: string) => void,
): Promise<TrainPlan> {
  const { precision = devicePrecision('training') } = given;
  const model = await openModel(given.model);
  checkTrainable(modelCard(model));
  const schedule = noiseSchedule(model.scheduler);
  const start = given.refine ? await refineStart(model, given, given.refine) : null;
  const options = start?.options ?? given;
  const method = ADAPTER_METHODS[options.method];
  const shapes = start?.shapes ?? method.shapes(model, options);
  const layout = adapterLayout(shapes);
  const textTrained = trainsText(shapes);
  checkCombination(options, textTrained);
  // Of the photos that are held out only the score and the identity know.
  const trained = trainedPhotos(options);
  const info = await adapterInfoOf(model, trained, schedule.prediction);
  const adamw: AdamWSettings = {
    ...ADAMW_DEFAULTS,
    weightDecay: options.weightDecay,
    maxGradNorm: options.maxGradNorm,
  };

  const startParameters = () => start?.parameters.slice() ?? method.initial(layout, options.seed, options);
  const { dataset, pairs, prompts, classPictures } = await trainData(model, schedule, trained, hooks, report);
  return {
    options,
    precision,
    model,
    schedule,
    method,
    shapes,
    layout,
    adamw,
    info,
    identity: await runIdentity(model, { ...options, precision }, classPictures),
    dataset,
    pairs,
    firstPairs: (options.refine?.exampleSteps ?? 0) * options.accumulation,
    texts: await Texts.encode(model, prompts),
    textTrained,
    onePrompt: new Set(prompts).size === 1,
    learningRate: (step) =>
      options.lr * lrShare(options.lrSchedule ?? 'constant', step, options.steps, options.warmup),
    startParameters,
    initialState: () => initialState(startParameters(), adamw),
  };
}

function checkCombination({ trace, noiseStrength, method }: TrainOptions, textTrained: boolean): void {
  if (textTrained && trace !== null)
    throw new KronaError(
      'TRACE_UNSUPPORTED',
      'A trace holds encoded texts, which change when text encoders are trained; omit one of the two.',
    );
  if (noiseStrength !== undefined && method === 'full')
    throw new KronaError(
      'NOISE_STRENGTH_UNSUPPORTED',
      'Full fine-tuning changes weights that all noise levels of a batch share; omit noise-strength, or train krona or lora.',
    );
}
