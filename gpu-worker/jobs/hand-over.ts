/**
 * @file How a training goes on at another worker: its state goes to the blobs now and then, and comes from there to a worker
 * that has none. Its checkpoints are blobs anyway.
 */
import { createReadStream } from 'node:fs';
import { constants, copyFile, rename, rm, stat } from 'node:fs/promises';
import { KronaError } from '../../core/errors.ts';
import { exists, isFileError } from '../../core/files.ts';
import type { Adapter, Resumed } from '../../core/records.ts';
import { asDiskError } from '../../storage/blobs/name.ts';
import { checkpointPath } from '../training/checkpoint.ts';
import { savedStep } from '../training/optimizer-file.ts';
import { statePath } from '../training/resume.ts';
import type { WorkerContext } from './context.ts';
import { copyBlob } from './local-files.ts';

/** A state is stored with each checkpoint, and again after this time, ms. */
const EVERY = 5 * 60_000;

/** A larger state is not stored, bytes: only full fine-tuning has one. */
const MOST_STATE = 2 * 1024 ** 3;

interface HandOverOptions {
  readonly context: Pick<WorkerContext, 'records' | 'blobs' | 'isApart' | 'log'>;
  readonly runId: string;
  /** Path of the finished adapter, beside which states and checkpoints are. */
  readonly out: string;
  /** Steps between two checkpoints; null: there are none. */
  readonly checkpointEvery: number | null;
  /** Those of the run that are stored. */
  readonly adapters: () => Promise<readonly Adapter[]>;
}

export class HandOver {
  readonly #options: HandOverOptions;
  #keptAt = performance.now();
  /** Where this attempt goes on: checkpoints up to there were stored by earlier ones, and members can have deleted some. */
  #from = 0;
  /** Name of the stored state that this attempt goes on from; null: it goes on from its own. */
  #taken: string | null = null;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /** The last stored state is so old that another is worth it. */
  get isDue(): boolean {
    return performance.now() - this.#keptAt > EVERY;
  }

  /**
   * Stores the state of now, unless there is none, or all workers see this data folder.
   * @throws KronaError BLOBS_*, DATABASE_*, DISK_FULL, DISK_READ_ONLY
   */
  async keep(): Promise<void> {
    const { context, runId, out } = this.#options;
    if (!context.isApart) return;
    // A copy, as the engine replaces the file meanwhile.
    const copy = `${statePath(out)}.sent`;
    try {
      await copyFile(statePath(out), copy, constants.COPYFILE_FICLONE);
      const step = (await stat(copy)).size > MOST_STATE ? null : await stepOf(copy);
      if (step === null || !(await this.#hasCheckpoints(step))) return;
      const { hash } = await context.blobs.put(createReadStream(copy));
      await context.records.saveRunState(runId, { hash, step });
      this.#keptAt = performance.now();
    } catch (error) {
      // There is no state yet, or the training has just ended.
      if (!isFileError(error, 'ENOENT')) throw asDiskError(error);
    } finally {
      await rm(copy, { force: true }).catch(() => undefined);
    }
  }

  /** Fetches what another worker has stored, unless there is as much here. @returns where the training goes on */
  async take(): Promise<Resumed> {
    const { context, runId, out, adapters } = this.#options;
    const { records, log } = context;
    const own = { step: (await stepOf(statePath(out))) ?? 0, elsewhere: false };
    this.#from = own.step;
    const stored = await records.runState(runId);
    if (stored === null || stored.step <= own.step || (await exists(out))) return own;
    const taken = `${statePath(out)}.taken`;
    try {
      // Of an attempt that was killed.
      await rm(taken, { force: true });
      await copyBlob(context, stored.hash, taken);
      for (const { step, final, blobHash } of await adapters())
        await this.#takeCheckpoint(blobHash, final ? out : checkpointPath(out, step));
      await rename(taken, statePath(out));
    } catch (error) {
      if (!isLost(error)) throw error;
      log.warn({ error, id: runId }, 'the stored state of the run is lost or damaged, so it goes on without');
      await records.saveRunState(runId, null);
      return own;
    } finally {
      await rm(taken, { force: true });
    }
    this.#from = stored.step;
    this.#taken = stored.hash;
    return { step: stored.step, elsewhere: true };
  }

  /** Fetches what is stored in place of a state that can't be resumed. @returns null where that is the same, or nothing */
  async takeInstead(): Promise<Resumed | null> {
    const { context, runId, out } = this.#options;
    const stored = await context.records.runState(runId);
    if (stored === null || stored.hash === this.#taken) {
      await context.records.saveRunState(runId, null);
      this.#from = 0;
      return null;
    }
    await rm(statePath(out), { force: true });
    const taken = await this.take();
    return taken.step > 0 ? taken : null;
  }

  /** A checkpoint that is lost costs no more than itself. */
  async #takeCheckpoint(hash: string, path: string): Promise<void> {
    const { context, runId } = this.#options;
    await copyBlob(context, hash, path).catch((error: unknown) => {
      if (!isLost(error)) throw error;
      context.log.warn(
        { error, id: runId },
        'a checkpoint of the run is lost or damaged, so it goes on without',
      );
    });
  }

  /** Whether all checkpoints up to a step are stored: a worker that goes on from there doesn't make them again. */
  async #hasCheckpoints(step: number): Promise<boolean> {
    const { checkpointEvery, adapters } = this.#options;
    if (checkpointEvery === null) return true;
    const stored = new Set((await adapters()).map((adapter) => adapter.step));
    const first = checkpointEvery * (Math.floor(this.#from / checkpointEvery) + 1);
    for (let due = first; due <= step; due += checkpointEvery) if (!stored.has(due)) return false;
    return true;
  }
}

/** How many steps a state has; null where there is none that can be read. */
const stepOf = (path: string): Promise<number | null> =>
  savedStep(path).catch((error: unknown) => {
    if (error instanceof KronaError && error.code.startsWith('SAFETENSORS_')) return null;
    throw error;
  });

/** Whether a stored file can't be had whole. */
export const isLost = (error: unknown): boolean =>
  error instanceof KronaError && ['BLOB_NOT_FOUND', 'BLOB_DAMAGED'].includes(error.code);
