/**
 * @file How a sweep goes on at another worker: the files of each cell that was trained are stored, and what is done with the
 * cells. A worker that has less takes them, and trains the rest.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFileError, readFileIfAny } from '../../core/files.ts';
import type { CellFiles, Run, Sweep } from '../../core/records.ts';
import { asDiskError } from '../../storage/blobs/name.ts';
import { statePath } from '../training/resume.ts';
import { cellFile, DONE_FILE, type SweepResult } from '../training/sweep.ts';
import { countDone } from '../training/sweep-scores.ts';
import type { WorkerContext } from './context.ts';
import { isLost } from './hand-over.ts';
import { copyBlob } from './local-files.ts';

type Context = Pick<WorkerContext, 'records' | 'blobs' | 'isApart' | 'log'>;

export class SweepHandOver {
  readonly #context: Context;
  readonly #runId: string;
  readonly #folder: string;

  constructor(context: Context, { id }: Pick<Run, 'id'>, folder: string) {
    this.#context = context;
    this.#runId = id;
    this.#folder = folder;
  }

  /** Stores the files of a cell that was trained; null where all workers see this folder. @throws KronaError BLOBS_*, DISK_FULL */
  async keepFiles({ adapter }: Pick<SweepResult, 'adapter'>): Promise<CellFiles | null> {
    if (!this.#context.isApart) return null;
    return { adapter: await this.#put(adapter), state: await this.#put(statePath(adapter)) };
  }

  /** Stores what is done, after the files of its cells. @throws KronaError BLOBS_*, DATABASE_*, DISK_FULL */
  async keepDone(): Promise<void> {
    const { records, isApart } = this.#context;
    if (!isApart) return;
    const hash = await this.#put(this.#done);
    if (hash !== null) await records.saveRunState(this.#runId, { hash, step: await this.#countDone() });
  }

  /**
   * Fetches what another worker has done, unless as much is done here.
   *
   * @returns false when a file of it is lost, so that nothing is done
   * @throws KronaError BLOBS_*, DISK_FULL
   */
  async take({ cells }: Sweep): Promise<boolean> {
    const { records, log, isApart } = this.#context;
    const stored = isApart ? await records.runState(this.#runId) : null;
    if (stored === null || stored.step <= (await this.#countDone())) return true;
    await rm(this.#folder, { recursive: true, force: true });
    try {
      for (const { files, ...cell } of cells) {
        const path = cellFile(this.#folder, cell);
        if (files?.adapter) await copyBlob(this.#context, files.adapter, path);
        if (files?.state) await copyBlob(this.#context, files.state, statePath(path));
      }
      // Last: without it, nothing counts as done.
      await copyBlob(this.#context, stored.hash, this.#done);
      return true;
    } catch (error) {
      if (!isLost(error)) throw error;
      log.warn({ error, id: this.#runId }, 'a file of the sweep is lost, so it starts again');
      await this.forget();
      return false;
    }
  }

  /** Drops all that is done, here and in the store. */
  async forget(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await this.#context.records.saveRunState(this.#runId, null);
  }

  get #done(): string {
    return join(this.#folder, DONE_FILE);
  }

  async #countDone(): Promise<number> {
    return countDone(await readFileIfAny(this.#done));
  }

  /** @returns null for a file that is missing */
  async #put(path: string): Promise<string | null> {
    try {
      return (await this.#context.blobs.put(createReadStream(path))).hash;
    } catch (error) {
      if (isFileError(error, 'ENOENT')) return null;
      throw asDiskError(error);
    }
  }
}
