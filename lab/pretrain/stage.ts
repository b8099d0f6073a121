/**
 * @file One stage of pretraining: a loss over a batch, taught for a number of steps to one flat vector of parameters.
 * Saves itself every few minutes and when it is stopped, and goes on from there to the same result.
 */
import { mkdir } from 'node:fs/promises';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import {
  FlatLayout,
  givenParameters,
  namedSlices,
  parametersOf,
  type Parameters,
} from '../../gpu-worker/models/parameters.ts';
import { AdamW, ADAMW_DEFAULTS, initialState, type AdamWSettings } from '../../gpu-worker/training/adamw.ts';
import { lrShare } from '../../gpu-worker/training/lr-schedule.ts';
import { loadOptimizer, saveOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import type { StageSettings } from './config-schema.ts';
import { recordFacts, recordOf, statePath } from './stage-record.ts';
import { recordProgress } from './status-page.ts';

export interface Stage {
  readonly name: string;
  readonly settings: StageSettings;
  /** The loss, a scalar, from parameters of the given source; inputs by other names come from `batch`. */
  loss(parameters: Parameters): Tensor;
  /** Starting values for the layout. */
  initial(layout: FlatLayout): Promise<Float32Array>;
  /** What to feed at a step, from 0; steps are asked for in order, from where the stage resumes. */
  batch(step: number): Promise<Feeds>;
  /** Called after each save before the last with the averaged parameters, e.g. to draw samples. It may fail: the save stays. */
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
  /** Threads of one operator; as runtime.ts has it by default. */
  readonly threads?: number;
  readonly secondsBetweenSaves?: number;
  readonly onProgress?: (progress: StageProgress) => void;
  readonly signal?: AbortSignal;
}

/** Runs or resumes a stage to its end and returns the averaged parameters by name. */
export async function runStage(stage: Stage, options: StageOptions): Promise<Map<string, Float32Array>> {
  const { folder, threads, secondsBetweenSaves = 120, onProgress, signal } = options;
  const { settings } = stage;
  await mkdir(folder, { recursive: true });
  const path = statePath(folder, stage.name);
  const layout = new FlatLayout(parametersOf((p) => stage.loss(p)));
  const adamw: AdamWSettings = { ...ADAMW_DEFAULTS, averageDecay: settings.averageDecay };
  const kept = await loadOptimizer(path);
  const state = kept?.state ?? initialState(await stage.initial(layout), adamw);
  if (state.step >= settings.steps) return namedSlices(layout, state.average!);

  const session = await Session.create(
    gradientProgram(stage, layout),
    threads === undefined ? {} : { threads },
  );
  const optimizer = await AdamW.create(adamw, state, threads);
  const gradient = new Float32Array(layout.length);
  const learningRate = (step: number): number =>
    settings.lr * lrShare('cosine', step, settings.steps, settings.warmup);
  let seconds = kept ? recordOf(kept.facts).seconds : 0;
  const save = (): Promise<void> => saveOptimizer(path, optimizer.state, recordFacts(seconds, threads));
  let lastSave = performance.now();
  let recent: { at: number; loss: number }[] = [];
  try {
    for (let step = optimizer.state.step; step < settings.steps; step++) {
      if (signal?.aborted) {
        // Nothing is lost by stopping. Samples can wait.
        await save();
        signal.throwIfAborted();
      }
      const began = performance.now();
      const feeds = await stage.batch(step);
      const results = await session.run({ ...feeds, parameters: optimizer.state.parameters }, { gradient });
      const loss = (results['loss'] as Float32Array)[0]!;
      const gradientNorm = await optimizer.step(gradient, learningRate(step));
      if (seconds !== null) seconds += (performance.now() - began) / 1000;
      recent = [...recent, { at: performance.now(), loss }].slice(-50);
      const perStep = (recent.at(-1)!.at - recent[0]!.at) / 1000 / Math.max(1, recent.length - 1);
      const progress: StageProgress = {
        stage: stage.name,
        step: step + 1,
        steps: settings.steps,
        loss: recent.reduce((sum, entry) => sum + entry.loss, 0) / recent.length,
        gradientNorm,
        samplesPerSecond: perStep > 0 ? settings.batch / perStep : 0,
        secondsLeft: perStep * (settings.steps - step - 1),
      };
      onProgress?.(progress);
      const last = step + 1 === settings.steps;
      if ((step + 1) % 10 === 0 || last) await recordProgress(folder, progress);
      if (!last && performance.now() - lastSave > secondsBetweenSaves * 1000) {
        await save();
        await stage.saved?.(namedSlices(layout, optimizer.state.average!), step + 1);
        lastSave = performance.now();
      }
    }
    await save();
    return namedSlices(layout, optimizer.state.average!);
  } finally {
    await session.release();
    await optimizer.release();
  }
}

function gradientProgram(stage: Stage, layout: FlatLayout) {
  const parts = layout.split(op.input('parameters', [layout.length]));
  const loss = stage.loss(givenParameters(parts));
  const targets = layout.entries.map(({ name }) => parts.get(name)!);
  return compile({ loss, gradient: layout.join(gradients(loss, targets)) });
}
