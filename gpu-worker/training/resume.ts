/** @file Where a run starts: fresh, or where an earlier attempt stopped. No unfinished run is lost without being told to. */
import { basename } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import type { CheckpointScore } from '../../core/records.ts';
import type { OptimizerState } from './adamw.ts';
import type { LossScale } from './loss-scale.ts';
import { loadOptimizer, savedStep } from './optimizer-file.ts';
import type { TrainPlan } from './plan.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { type CurveState, NO_SUMS } from './preference-curve.ts';
import type { PairFigures, PreferencePoint } from './refine-options.ts';
import { differences } from './run-identity.ts';
import type { TrainOptions } from './train-options.ts';

/** The newest optimiser state; removed when the run is done. */
export const statePath = (out: string): string => out.replace(/(\.safetensors)?$/, '.state.safetensors');

/** What a run can resume from. */
export interface RunState {
  readonly state: OptimizerState;
  /** One for each step taken. */
  readonly losses: readonly number[];
  /** null: not scaled, or not yet. */
  readonly lossScale: LossScale | null;
  /** Of the checkpoints, in order. */
  readonly scores: readonly CheckpointScore[];
  /** Of a refinement; null for other trainings, and at the start. */
  readonly curve: CurveState | null;
}

/**
 * Checks what lies beside the output, before anything is computed.
 *
 * @throws KronaError RUN_UNFINISHED, RUN_FINISHED, RESUME_MISMATCH, RESUME_DAMAGED
 */
export async function checkStart({ out, steps, resume, restart, trace }: TrainOptions): Promise<void> {
  const step = restart ? null : await readable(savedStep(statePath(out)), statePath(out));
  if (step === null) {
    if (resume && !restart && (await exists(out)))
      throw new KronaError(
        'RUN_FINISHED',
        `There is no unfinished run to resume: ${basename(out)} is finished. Train it again with ` +
          '--restart instead of --resume, or give another --out.',
      );
    return;
  }
  if (!resume)
    throw new KronaError(
      'RUN_UNFINISHED',
      `${basename(statePath(out))} holds an unfinished run of ${step} steps. Continue it with --resume, discard it ` +
        'with --restart, or give another --out.',
    );
  if (step > steps)
    throw new KronaError(
      'RESUME_MISMATCH',
      `The run to resume has ${step} steps already, and \`steps\` is ${steps}. Give ${step} or more, or start again ` +
        'with --restart.',
    );
  if (trace !== null)
    throw new KronaError('RESUME_MISMATCH', 'A trace must hold the whole run; omit --resume or --trace.');
}

/** @throws KronaError RESUME_MISMATCH, RESUME_DAMAGED */
export async function startingPoint(plan: TrainPlan): Promise<RunState> {
  const { options, identity, initialState, layout } = plan;
  const path = statePath(options.out);
  const saved = options.resume && !options.restart ? await readable(loadOptimizer(path), path) : null;
  if (!saved) return { state: initialState(), losses: [], scores: [], lossScale: null, curve: null };
  const different = differences(parsed(saved.facts, 'run', path), identity);
  if (different.length > 0)
    throw new KronaError(
      'RESUME_MISMATCH',
      `${basename(path)} holds another run: it has ${different.join('; ')}. Use the same again, start again with ` +
        '--restart, or give another --out.',
    );
  const { state } = saved;
  const losses = parsed(saved.facts, 'losses', path);
  const scores = parsed(saved.facts, 'scores', path) ?? [];
  const lossScale = parsed(saved.facts, 'loss_scale', path);
  const curve = parsed(saved.facts, 'curve', path);
  const vectors = [state.parameters, state.m, state.v, ...(state.average ? [state.average] : [])];
  if (
    !isNumbers(losses) ||
    losses.length !== state.step ||
    !isScores(scores) ||
    !(lossScale === null || hasNumbers<LossScale>(lossScale, ['scale', 'good'])) ||
    !(curve === null || isCurve(curve)) ||
    vectors.some((vector) => vector.length !== layout.length || !vector.every(Number.isFinite))
  )
    throw damaged(path);
  return {
    state,
    losses,
    scores,
    lossScale,
    curve,
  };
}

function parsed(facts: ReadonlyMap<string, string>, key: string, path: string): unknown {
  try {
    return JSON.parse(facts.get(key) ?? 'null');
  } catch {
    throw damaged(path);
  }
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'number');

/** An object with finite numbers under these keys. */
const hasNumbers = <T>(value: unknown, keys: readonly string[]): value is T =>
  isJsonObject(value) && keys.every((key) => Number.isFinite(value[key]));

export const isScore = (value: unknown): value is CheckpointScore =>
  hasNumbers<CheckpointScore>(value, ['step', 'fidelity', 'alignment', 'score']);

const isScores = (value: unknown): value is CheckpointScore[] => Array.isArray(value) && value.every(isScore);

function isCurve(value: unknown): value is CurveState {
  if (!isJsonObject(value) || !Array.isArray(value['points'])) return false;
  const figures = (each: unknown) => hasNumbers<PairFigures>(each, ['margin', 'accuracy']);
  return (
    hasNumbers(value['sums'], Object.keys(NO_SUMS)) &&
    value['points'].every(
      (point) =>
        figures(point) &&
        hasNumbers<PreferencePoint>(point, ['step', 'loss', 'photoLoss']) &&
        (point.heldOut === null || figures(point.heldOut)),
    )
  );
}

/** What is read of a saved state. @throws KronaError RESUME_DAMAGED instead of SAFETENSORS_* */
async function readable<T>(reading: Promise<T>, path: string): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw error instanceof KronaError && error.code.startsWith('SAFETENSORS_') ? damaged(path, error) : error;
  }
}

function damaged(path: string, cause?: unknown): KronaError {
  return new KronaError(
    'RESUME_DAMAGED',
    `${basename(path)}, the state to resume from, is damaged: it is incomplete, or holds numbers that are NaN or infinite. ` +
      'Start again with --restart.',
    { cause },
  );
}
