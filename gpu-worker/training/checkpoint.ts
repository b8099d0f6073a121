/** @file Files that a run writes: checkpoints, the state to resume from, and finally the adapter. */
import { randomBytes } from 'node:crypto';
import { copyFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CheckpointScore } from '../../core/records.ts';
import { KronaError } from '../../core/errors.ts';
import { diskProblem, exists, unwritable } from '../../core/files.ts';
import { adapterLayers } from '../adapters/adapter.ts';
import { adapterInfo } from '../adapters/files/adapter-info.ts';
import { writeAdapter } from '../adapters/files/write-adapter.ts';
import { openSafetensors, removeDrafts } from '../models/safetensors.ts';
import { bestOf, checkpointInterval, isPastBest } from './best-checkpoint.ts';
import { CheckpointScorer } from './checkpoint-scorer.ts';
import { isScored } from './held-out-photos.ts';
import { saveOptimizer } from './optimizer-file.ts';
import type { TrainPlan } from './plan.ts';
import { statePath, type RunState } from './resume.ts';
import type { TrainHooks } from './train-hooks.ts';

/** Adapter files of checkpoints lie beside the final one, numbered by step. */
export const checkpointPath = (out: string, step: number): string =>
  out.replace(/(\.safetensors)?$/, `-${String(step).padStart(6, '0')}.safetensors`);

/** How many steps an adapter that was trained here has. @throws KronaError SAFETENSORS_* */
export async function trainedSteps(path: string): Promise<number> {
  const { name, metadata } = await openSafetensors(path);
  const steps = adapterInfo(metadata)?.steps;
  if (steps === undefined || !Number.isSafeInteger(steps))
    throw new KronaError('SAFETENSORS_INVALID', `${name} does not say how many steps it has.`);
  return steps;
}

/** Removes what an attempt at the same run left that was killed while it wrote. */
export async function removeRunDrafts(out: string): Promise<void> {
  const stem = basename(out).replace(/\.safetensors$/, '');
  await removeDrafts(dirname(out), (name) => {
    const end = name.startsWith(stem) ? name.slice(stem.length) : '';
    return /^(?:(?:-\d{6,}|\.state)?\.safetensors)?$/.test(end);
  });
}

export class Checkpoints {
  readonly #plan: TrainPlan;
  readonly #hooks: TrainHooks;
  readonly #current: () => Omit<RunState, 'scores'>;
  readonly #every: number | null;
  readonly #scorer: CheckpointScorer | null;
  readonly #scores: CheckpointScore[];
  #saved: { readonly step: number; readonly at: number };

  /**
   * @param scores of an earlier attempt
   * @param current the run's state after its last step
   */
  constructor(
    plan: TrainPlan,
    hooks: TrainHooks,
    scores: readonly CheckpointScore[],
    current: () => Omit<RunState, 'scores'>,
  ) {
    const { options, model } = plan;
    this.#plan = plan;
    this.#hooks = hooks;
    this.#current = current;
    this.#every = checkpointInterval(options);
    const { shared = {} } = hooks;
    this.#scorer = isScored(options) ? (shared.scorer ??= new CheckpointScorer(model, options, hooks)) : null;
    this.#scores = [...scores];
    this.#saved = { step: current().state.step, at: performance.now() };
  }

  get scores(): readonly CheckpointScore[] {
    return this.#scores;
  }

  /** Whether the best checkpoint is so long ago that the run should end. */
  get isPastBest(): boolean {
    return isPastBest(this.#scores, this.#plan.options);
  }

  /** Scores the checkpoint at which an earlier attempt was stopped before it had a score. */
  async begin(): Promise<void> {
    const { step } = this.#current().state;
    if (this.#scorer && step > 0 && this.#isDue(step)) await this.#score(step);
  }

  /** Saves a checkpoint, or only the state, after a step when one is due. */
  async afterStep(step: number): Promise<void> {
    const { steps, stateSeconds = Infinity } = this.#plan.options;
    if (step === steps) return;
    if (this.#isDue(step)) {
      await this.#saveAdapter(checkpointPath(this.#plan.options.out, step));
      // A state that is saved has the checkpoint's score.
      await this.#score(step);
      await this.saveState();
      await this.#tell(step, false);
    } else if ((performance.now() - this.#saved.at) / 1000 >= stateSeconds) await this.saveState();
  }

  /**
   * Saves everything that a later attempt needs, unless it is saved already.
   *
   * @param again - also if this step is saved, as it has a score since
   */
  async saveState(again = false): Promise<void> {
    const { state, losses, lossScale, curve } = this.#current();
    const { step } = state;
    if (step === this.#saved.step && !again) return;
    await saveOptimizer(statePath(this.#plan.options.out), state, {
      run: JSON.stringify(this.#plan.identity),
      losses: JSON.stringify(losses),
      loss_scale: JSON.stringify(lossScale),
      ...(curve && { curve: JSON.stringify(curve) }),
      ...(this.#scorer && { scores: JSON.stringify(this.#scores) }),
    });
    this.#saved = { step, at: performance.now() };
    this.#hooks.onState?.(step);
  }

  /** Saves the state of a stopped run if its options ask for saves; otherwise keeps an earlier state. */
  async stopped(): Promise<void> {
    const { stateSeconds } = this.#plan.options;
    if (this.#every !== null || stateSeconds !== undefined) await this.saveState().catch(() => {});
  }

  /**
   * Writes the finished adapter, and removes the state unless the run can go on.
   *
   * @returns the adapter's steps
   */
  async finish(): Promise<number> {
    const { out, keep, keepState } = this.#plan.options;
    const last = this.#current().state.step;
    const step = keep === 'best' ? await this.#finishBest(last) : last;
    if (keep !== 'best') {
      // First: without it, a run that is killed while it is scored would look finished.
      if (keepState) await this.saveState();
      await this.#saveAdapter(out);
      await this.#score(last);
      if (keepState) await this.saveState(true);
    }
    await this.#tell(step, true);
    if (!keepState) await rm(statePath(out), { force: true });
    return step;
  }

  /** The last step is a checkpoint like the others; the adapter is a copy of the best. @returns its steps */
  async #finishBest(last: number): Promise<number> {
    const { out } = this.#plan.options;
    if (!this.#scores.some(({ step }) => step === last) || !(await exists(checkpointPath(out, last)))) {
      await this.#saveAdapter(checkpointPath(out, last));
      await this.#score(last);
      await this.#tell(last, false);
    }
    // The file of an earlier attempt can be lost, or deleted by a member.
    const there: CheckpointScore[] = [];
    for (const score of this.#scores) if (await exists(checkpointPath(out, score.step))) there.push(score);
    const step = bestOf(there)?.step ?? last;
    const draft = join(dirname(out), `.${basename(out)}.${randomBytes(6).toString('hex')}.tmp`);
    try {
      await copyFile(checkpointPath(out, step), draft);
      await rename(draft, out);
    } catch (cause) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw diskProblem(cause) === null ? cause : unwritable(out, cause);
    }
    return step;
  }

  async #score(step: number): Promise<void> {
    if (!this.#scorer || this.#scores.some((each) => each.step === step)) return;
    const { out } = this.#plan.options;
    const final = this.#plan.options.keep !== 'best' && step === this.#plan.options.steps;
    const score = await this.#scorer.score(step, final ? out : checkpointPath(out, step));
    this.#scores.push(score);
    this.#hooks.onScored?.(score);
  }

  #isDue(step: number): boolean {
    return this.#every !== null && step % this.#every === 0;
  }

  async #saveAdapter(path: string): Promise<void> {
    const { shapes, model, info } = this.#plan;
    const { step, parameters } = this.#current().state;
    await writeAdapter(path, adapterLayers(shapes, parameters), model, { ...info, steps: step });
  }

  async #tell(step: number, final: boolean): Promise<void> {
    const { out } = this.#plan.options;
    await this.#hooks.onSaved?.({ step, path: final ? out : checkpointPath(out, step), final });
  }
}
