/**
 * @file `krona evaluate methods`: the whole comparison in parallel processes. Every result is a file and is computed
 * once, so a stopped comparison resumes, and a larger grid computes only what is new.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { childEnvironment } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { nodeOptions, ownProgram } from '../../core/own-program.ts';
import type { Progress } from '../../core/records.ts';
import { claimComparison, prepareScales } from './comparison-folder.ts';
import { bestRates } from './comparison-figures.ts';
import { reportComparison, type ComparisonReport } from './comparison-report.ts';
import {
  baseScoresPath,
  type BaseScores,
  resultPath,
  type ComparisonFolder,
  type Result,
} from './compare-subject.ts';
import {
  cellsOf,
  formsStudy,
  methodsStudy,
  priorsStudy,
  ratesStudy,
  stepsStudy,
  trainingsFor,
  type Cell,
  type ComparisonSize,
} from './comparison-plan.ts';
import type { WorkerAnswer, WorkerAsk } from './comparison-worker.ts';
import { currentDevice, currentDialect, type DeviceInUse } from '../../gpu-worker/graph/device.ts';
import { readJson } from './files.ts';

export interface CompareOptions extends ComparisonFolder {
  readonly size: ComparisonSize;
  /** Parallel trainings. */
  readonly jobs: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Compares the methods.
 * @returns the report; written to `out` as report.json, table.md, sheet.png and charts
 * @throws KronaError MODEL_*, PRETRAIN_*, EVALUATION_MISMATCH, FILE_UNWRITABLE; and the signal's reason when it aborts
 */
export async function compareMethods(options: CompareOptions): Promise<ComparisonReport> {
  const { out, size } = options;
  await makeFolder(out);
  await claimComparison(options);
  await prepareScales(options);
  const pool = new Pool(options);
  try {
    await pool.all(
      'the model alone',
      size.subjects.filter((name) => !existsSync(baseScoresPath(out, name))).map((prepare) => ({ prepare })),
    );
    const carryOut = async (phase: string, cells: readonly Cell[]): Promise<Result[]> => {
      const missing = trainingsFor(cells).filter((training) =>
        cellsOf(training).some((cell) => !existsSync(resultPath(out, cell))),
      );
      await pool.all(
        phase,
        missing.map((training) => ({ training })),
      );
      return Promise.all(cells.map(async (cell) => (await readJson<Result>(resultPath(out, cell)))!));
    };
    const rates = await carryOut('learning rates', ratesStudy(size));
    const best = bestRates(rates);
    const methods = await carryOut('methods', methodsStudy(size, best));
    const forms = await carryOut('factors and ranks', formsStudy(size, best));
    const priors = await carryOut('priors', priorsStudy(size, best));
    const steps = await carryOut('steps', stepsStudy(size, best));
    const base = await Promise.all(
      size.subjects.map(async (name) => (await readJson<BaseScores>(baseScoresPath(out, name)))!),
    );
    return await reportComparison(options, { rates, methods, forms, priors, steps, base });
  } finally {
    pool.close();
  }
}

/** Child processes, each with its share of the cores. */
class Pool {
  readonly #options: CompareOptions;
  readonly #children: ChildProcess[] = [];

  constructor(options: CompareOptions) {
    this.#options = options;
  }

  /** Processes the whole list, one item per job at a time; the first error stops it. */
  async all(phase: string, asks: readonly WorkerAsk[]): Promise<void> {
    const { jobs, onProgress, signal } = this.#options;
    const waiting = [...asks];
    const began = performance.now();
    let done = 0;
    const show = (): void => {
      const each = (performance.now() - began) / 1000 / Math.max(1, done);
      const secondsLeft = done > 0 ? each * (asks.length - done) : null;
      onProgress?.({ phase, step: done, steps: asks.length, secondsLeft });
    };
    const work = async (child: ChildProcess): Promise<void> => {
      for (let ask = waiting.shift(); ask; ask = waiting.shift()) {
        signal?.throwIfAborted();
        await answer(child, ask, signal);
        done++;
        show();
      }
    };
    if (asks.length === 0) return;
    show();
    const count = Math.min(jobs, asks.length);
    while (this.#children.length < count) this.#children.push(this.#start());
    await Promise.all(this.#children.slice(0, count).map(work));
  }

  close(): void {
    for (const child of this.#children.splice(0)) child.kill();
  }

  #start(): ChildProcess {
    const { jobs, model, config, out, subjects } = this.#options;
    const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
    const folder: ComparisonFolder = { model, config, out, ...(subjects !== undefined && { subjects }) };
    const device: DeviceInUse = { device: currentDevice(), dialect: currentDialect() };
    const args = [folder, device].map((each) => JSON.stringify(each));
    return fork(ownProgram(import.meta.dirname, 'comparison-worker'), args, {
      execArgv: [...nodeOptions],
      env: childEnvironment('command', { KRONA_THREADS: String(threads) }),
      stdio: ['ignore', 2, 2, 'ipc'],
    });
  }
}

/** Sends one request and waits for its answer. */
function answer(child: ChildProcess, ask: WorkerAsk, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error: unknown): void => {
      child.off('message', hear).off('exit', gone);
      signal?.removeEventListener('abort', stop);
      if (error) reject(error instanceof Error ? error : new Error('the worker failed', { cause: error }));
      else resolve();
    };
    const hear = ({ error }: WorkerAnswer): void => end(error === null ? null : KronaError.reported(error));
    const gone = (): void =>
      end(
        new KronaError(
          'EVALUATION_STOPPED',
          'A process of the comparison stopped unexpectedly. Run the same command again to resume.',
        ),
      );
    const stop = (): void => end(signal!.reason);
    child.on('message', hear).on('exit', gone);
    signal?.addEventListener('abort', stop, { once: true });
    child.send(ask);
  });
}
