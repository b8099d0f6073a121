/**
 * @file DreamBooth (arXiv 2208.12242) with an adapter of any method: photos and a prompt in, an adapter file out.
 * plan.ts prepares the run, loop.ts takes the steps, checkpoint.ts saves. docs/training.md explains the options.
 */
import { rm } from 'node:fs/promises';
import { KronaError } from '../../core/errors.ts';
import { checkWeights } from '../models/finite.ts';
import { AdamW } from './adamw.ts';
import { Checkpoints, removeRunDrafts } from './checkpoint.ts';
import { TrainingLoop } from './loop.ts';
import { INITIAL_LOSS_SCALE } from './loss-scale.ts';
import { MicroBatches } from './micro-batches.ts';
import { planTraining, type TrainPlan } from './plan.ts';
import { checkStart, startingPoint, statePath } from './resume.ts';
import { PreferenceCurve } from './preference-curve.ts';
import { Trace, type TraceSettings } from './trace.ts';
import type { TrainHooks } from './train-hooks.ts';
import type { PreferencePoint } from './refine-options.ts';
import type { TrainOptions, TrainResult } from './train-options.ts';

/**
 * Trains an adapter from nothing, or goes on from one with what members preferred (`refine`); resumes either. The same options and seed give the same bytes, also after resuming.
 *
 * @throws KronaError as `planTraining`; RUN_UNFINISHED, RUN_FINISHED, RESUME_MISMATCH, RESUME_DAMAGED, TRAINING_DIVERGED, RESULT_NOT_FINITE, DISK_FULL, FILE_UNWRITABLE; and the signal's
 * reason when it aborts
 */
export async function trainAdapter(options: TrainOptions, hooks: TrainHooks = {}): Promise<TrainResult> {
  const { steps, accumulation } = options;
  const report = (
    phase: string,
    step = 0,
    loss: number | null = null,
    secondsLeft: number | null = null,
    point: PreferencePoint | null = null,
  ) => hooks.onProgress?.({ phase, step, steps, loss, secondsLeft, ...(point && { preference: point }) });

  await checkStart(options);
  await removeRunDrafts(options.out);
  const plan = await planTraining(options, hooks, (phase) => report(phase));
  const start = await startingPoint(plan);
  // A later attempt must not resume what was given up.
  if (options.restart) await rm(statePath(options.out), { force: true });
  const losses = [...start.losses];
  const first = start.state.step;
  report('preparing', first, losses.at(-1));
  const trace = options.trace === null ? null : new Trace(plan.shapes);
  const microBatches = new MicroBatches(plan, trace);
  await microBatches.prepare();
  const optimizer = await AdamW.create(plan.adamw, start.state);
  const { refine } = options;
  const curve = refine ? new PreferenceCurve(refine.exampleSteps, steps, start.curve) : null;
  trace?.factors(0, optimizer.state.parameters);

  let seconds = 0;
  const loop = new TrainingLoop({
    optimizer,
    steps,
    accumulation,
    lossScale: plan.precision === 'float16' ? (start.lossScale ?? INITIAL_LOSS_SCALE) : null,
    learningRate: plan.learningRate,
    async microBatch(n, gradient, lossScale) {
      const { loss, pairs } = await microBatches.run(n, optimizer.state.parameters, gradient, lossScale);
      if (pairs) curve?.add(n, pairs);
      return loss;
    },
    async onStep({ step, loss, seconds: taken }) {
      losses.push(loss);
      seconds += taken;
      trace?.factors(step, optimizer.state.parameters);
      const point = await curve?.afterStep(step, () =>
        microBatches.heldOut(optimizer.state.parameters, loop.lossScale?.scale ?? null),
      );
      report('training', step, loss, (seconds / (step - first)) * (steps - step), point);
      await checkpoints.afterStep(step);
    },
    isOver: (): boolean => checkpoints.isPastBest,
    turn: hooks.turn,
    signal: hooks.signal,
  });
  const checkpoints: Checkpoints = new Checkpoints(plan, hooks, start.scores, () => ({
    state: optimizer.state,
    losses,
    lossScale: loop.lossScale,
    curve: curve?.state ?? null,
  }));
  try {
    await checkpoints.begin();
    await loop.run();
    const kept = await checkpoints.finish();
    if (trace && options.trace !== null) await trace.write(options.trace, traceSettings(plan));
    return {
      ...resultOf(plan, losses, curve?.points ?? [], seconds / Math.max(1, losses.length - first)),
      steps: kept,
      scores: checkpoints.scores,
    };
  } catch (error) {
    if (hooks.signal?.aborted) await checkpoints.stopped();
    // The rate is not to blame for what a damaged file gives.
    if (error instanceof KronaError && error.code === 'TRAINING_DIVERGED')
      await checkWeights(plan.model, 'The training');
    throw error;
  } finally {
    await microBatches.release();
    await optimizer.release();
  }
}

function resultOf(
  { options, layout }: TrainPlan,
  loss: readonly number[],
  preference: readonly PreferencePoint[],
  secondsPerStep: number,
): Omit<TrainResult, 'steps' | 'scores'> {
  return {
    adapter: options.out,
    parameters: layout.length,
    loss,
    preference,
    secondsPerStep,
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
  };
}

function traceSettings({ options, method, learningRate, adamw, schedule }: TrainPlan): TraceSettings {
  return {
    method: options.method,
    scale: method.scale(options),
    priorL2: options.priorL2 ?? 0,
    accumulation: options.accumulation,
    refine: options.refine ?? null,
    lr: Array.from({ length: options.steps }, (_, step) => learningRate(step)),
    optimizer: adamw,
    predictionType: schedule.prediction,
  };
}
