/**
 * @file One stage of pretraining: trains one flat vector of parameters on a loss over batches. It saves every few
 * minutes and when it is stopped, and resumes to the same result.
 */
import { mkdir } from 'node:fs/promises';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { numberOf, Session, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import {
  FlatLayout,
  givenParameters,
  namedSlices,
  parametersOf,
  type Parameters,
} from '../../gpu-worker/models/parameters.ts';
import {
  AdamW,
  ADAMW_DEFAULTS,
  initialState,
  type AdamWSettings,
  type OptimizerState,
} from '../../gpu-worker/training/adamw.ts';
import { TrainingLoop, type Optimizer, type TakenStep } from '../../gpu-worker/training/loop.ts';
import { lrShare } from '../../gpu-worker/training/lr-schedule.ts';
import { loadOptimizer, saveOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import type { StageSettings } from './config-schema.ts';
import { Muon } from './muon.ts';
import { recordFacts, recordOf, statePath } from './stage-record.ts';
import { recordProgress } from './status-page.ts';

/** Steps that the reported loss and speed are averaged over. */
const RECENT_STEPS = 50;

export interface Stage {
  readonly name: string;
  readonly settings: StageSettings;
  /** Builds the loss, a scalar, from parameters of the given source; other input names come from `batch`. */
  loss(parameters: Parameters): Tensor;
  /** Starting values for the layout. */
  initial(layout: FlatLayout): Promise<Float32Array>;
  /** The inputs of a step, from 0; steps are requested in order, from where the stage resumes. */
  batch(step: number): Promise<Feeds>;
  /**
   * Called after each save but the last with the averaged parameters, e.g. to draw samples. It can fail: the save
   * stays.
   */
  saved?(parameters: ReadonlyMap<string, Float32Array>, step: number): Promise<void>;
}

export interface StageProgress {
  readonly stage: string;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly samplesPerSecond: number;
  readonly secondsLeft: number;
}

export interface StageOptions {
  /** Folder of the run. */
  readonly folder: string;
  /** Threads of one operator; default as in runtime.ts. */
  readonly threads?: number;
  readonly secondsBetweenSaves?: number;
  readonly onProgress?: (progress: StageProgress) => void;
  readonly signal?: AbortSignal;
}

/** Runs or resumes a stage until it is done and returns the averaged parameters by name. */
export async function runStage(stage: Stage, options: StageOptions): Promise<Map<string, Float32Array>> {
  const { folder, threads, secondsBetweenSaves = 120, signal } = options;
  const { settings } = stage;
  const { steps } = settings;
  await mkdir(folder, { recursive: true });
  const path = statePath(folder, stage.name);
  const layout = stageLayout(stage);
  const adamw: AdamWSettings = { ...ADAMW_DEFAULTS, averageDecay: settings.averageDecay };
  const kept = await loadOptimizer(path);
  const state = kept?.state ?? initialState(await stage.initial(layout), adamw);
  const averages = ({ average, parameters }: OptimizerState) => namedSlices(layout, average ?? parameters);
  if (state.step >= steps) return averages(state);

  const session = await Session.create(
    compile(stageOutputs(stage, layout)),
    threads === undefined ? {} : { threads },
  );
  const optimizer: Optimizer = await (settings.optimizer === 'muon'
    ? Muon.create(adamw, layout, state, threads)
    : AdamW.create(adamw, state, threads));
  let seconds = kept ? recordOf(kept.facts).seconds : 0;
  const save = (): Promise<void> => saveOptimizer(path, optimizer.state, recordFacts(seconds, threads));
  let lastSave = performance.now();
  const progress = new ProgressOfStage(stage);
  const loop = new TrainingLoop({
    optimizer,
    steps,
    learningRate: (step) => settings.lr * lrShare('cosine', step, steps, settings.warmup),
    async microBatch(n, gradient) {
      const feeds = await stage.batch(n);
      const { loss } = await session.run({ ...feeds, parameters: optimizer.state.parameters }, { gradient });
      return numberOf(loss);
    },
    async onStep(taken) {
      const { step } = taken;
      if (seconds !== null) seconds += taken.seconds;
      const now = progress.after(taken);
      options.onProgress?.(now);
      if (step % 10 === 0 || step === steps) await recordProgress(folder, now);
      if (step < steps && performance.now() - lastSave > secondsBetweenSaves * 1000) {
        await save();
        await stage.saved?.(averages(optimizer.state), step);
        lastSave = performance.now();
      }
    },
    signal,
  });
  try {
    await loop.run();
    await save();
    return averages(optimizer.state);
  } catch (error) {
    // A stopped stage saves, so nothing is lost; it skips the samples.
    if (signal?.aborted) await save();
    throw error;
  } finally {
    await session.release();
    await optimizer.release();
  }
}

/** Offset of each parameter of a stage in the flat vector. */
export const stageLayout = (stage: Stage): FlatLayout => new FlatLayout(parametersOf((p) => stage.loss(p)));

/** The loss as a function of the flat input `parameters`, and its gradient. */
export function stageOutputs(stage: Stage, layout: FlatLayout) {
  const parts = layout.split(op.input('parameters', [layout.length]));
  const loss = stage.loss(givenParameters(parts));
  return { loss, gradient: layout.join(gradients(loss, [...parts.values()])) };
}

/** Progress averaged over the last steps. */
class ProgressOfStage {
  readonly #stage: Stage;
  #recent: readonly { readonly at: number; readonly loss: number }[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  after({ step, loss, gradientNorm }: TakenStep): StageProgress {
    const { name, settings } = this.#stage;
    const now = { at: performance.now(), loss };
    this.#recent = [...this.#recent, now].slice(-RECENT_STEPS);
    const { length } = this.#recent;
    const first = this.#recent[0]?.at ?? now.at;
    const perStep = (now.at - first) / 1000 / Math.max(1, length - 1);
    return {
      stage: name,
      step,
      steps: settings.steps,
      loss: this.#recent.reduce((sum, entry) => sum + entry.loss, 0) / length,
      gradientNorm,
      samplesPerSecond: perStep > 0 ? settings.batch / perStep : 0,
      secondsLeft: perStep * (settings.steps - step),
    };
  }
}
