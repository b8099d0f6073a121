/** @file Files that a run writes: checkpoints, the state to resume from, and finally the adapter. */
import { rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { adapterLayers } from '../adapters/adapter.ts';
import { writeAdapter } from '../adapters/files/write-adapter.ts';
import { removeDrafts } from '../models/safetensors.ts';
import { saveOptimizer } from './optimizer-file.ts';
import type { TrainPlan } from './plan.ts';
import { statePath, type RunState } from './resume.ts';
import type { TrainHooks } from './train-hooks.ts';

/** Adapter files of checkpoints lie beside the final one, numbered by step. */
export const checkpointPath = (out: string, step: number): string =>
  out.replace(/(\.safetensors)?$/, `-${String(step).padStart(6, '0')}.safetensors`);

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
  readonly #onSaved: TrainHooks['onSaved'];
  readonly #current: () => RunState;
  #saved: { readonly step: number; readonly at: number };

  /** @param current the run's state after its last step */
  constructor(plan: TrainPlan, onSaved: TrainHooks['onSaved'], current: () => RunState) {
    this.#plan = plan;
    this.#onSaved = onSaved;
    this.#current = current;
    this.#saved = { step: current().state.step, at: performance.now() };
  }

  /** Saves a checkpoint, or only the state, after a step when one is due. */
  async afterStep(step: number): Promise<void> {
    const { steps, checkpointEvery, stateSeconds = Infinity } = this.#plan.options;
    if (step === steps) return;
    if (checkpointEvery && step % checkpointEvery === 0) {
      await this.#saveAdapter(false);
      await this.saveState();
      await this.#tell(false);
    } else if ((performance.now() - this.#saved.at) / 1000 >= stateSeconds) await this.saveState();
  }

  /** Saves everything that a later attempt needs, unless it is saved already. */
  async saveState(): Promise<void> {
    const { state, losses, lossScale, curve } = this.#current();
    const { step } = state;
    if (step === this.#saved.step) return;
    await saveOptimizer(statePath(this.#plan.options.out), state, {
      run: JSON.stringify(this.#plan.identity),
      losses: JSON.stringify(losses),
      loss_scale: JSON.stringify(lossScale),
      ...(curve && { curve: JSON.stringify(curve) }),
    });
    this.#saved = { step, at: performance.now() };
  }

  /** Saves the state of a stopped run if its options ask for saves; otherwise keeps an earlier state. */
  async stopped(): Promise<void> {
    const { checkpointEvery, stateSeconds } = this.#plan.options;
    if (checkpointEvery !== null || stateSeconds !== undefined) await this.saveState().catch(() => {});
  }

  /** Writes the finished adapter and removes the state. */
  async finish(): Promise<void> {
    await this.#saveAdapter(true);
    await this.#tell(true);
    await rm(statePath(this.#plan.options.out), { force: true });
  }

  #path(final: boolean): string {
    const { out } = this.#plan.options;
    return final ? out : checkpointPath(out, this.#current().state.step);
  }

  async #saveAdapter(final: boolean): Promise<void> {
    const { shapes, model, info } = this.#plan;
    const { step, parameters } = this.#current().state;
    await writeAdapter(this.#path(final), adapterLayers(shapes, parameters), model, { ...info, steps: step });
  }

  async #tell(final: boolean): Promise<void> {
    await this.#onSaved?.({ step: this.#current().state.step, path: this.#path(final), final });
  }
}
