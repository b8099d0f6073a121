/**
 * @file The job `sweep`: trains the grid of a run's record while nothing else is trained, draws its sheet, and stores the
 * finalists' adapters. The bot then lets members choose between them. Attempts hand over through the run's folder.
 */
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Progress, Run, Subject, Sweep, SweptCell } from '../../core/records.ts';
import { cellName } from '../../core/sweep-plan.ts';
import type { JobHandler } from '../../storage/jobs/contract.ts';
import type { EngineWork } from '../engine/protocol.ts';
import type { SweepResult } from '../training/sweep.ts';
import { carryOut, RUNS, type Conduct } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { crownFirst } from './crown.ts';
import { InOrder } from './in-order.ts';
import { Paced } from './paced.ts';
import { contextOn } from './pulled-models.ts';
import { SweepHandOver } from './sweep-hand-over.ts';
import { droppedOf, keepFinalist, noteFinalists } from './sweep-finalists.ts';
import { drawSheet, sweepFolder } from './sweep-sheet.ts';
import { tidyRun } from './sweep-runs.ts';
import { trainAsk } from './train-ask.ts';

/** Least time between two looks for cells that were dropped, ms. */
const LOOK_EVERY = 1000;

type SweepAsk = EngineWork['sweep']['ask'];

export function sweepJob(context: WorkerContext): JobHandler<'sweep'> {
  return async (job) => {
    const { runId } = job.payload;
    try {
      await carryOut(RUNS, runId, job, context, async (run, conduct) => {
        const subject = await context.records.subject(run.subjectId);
        // A deleted subject has no runs.
        if (subject === null || run.sweep === null) return;
        const own = await contextOn(context, run.model, conduct);
        await new Sweeping(run, run.sweep, subject, own, conduct).carryOut();
      });
    } finally {
      await tidyRun(runId, context).catch((error: unknown) => {
        context.log.warn({ error, id: runId }, 'could not clean up after a sweep');
      });
    }
  };
}

class Sweeping {
  readonly #run: Run;
  readonly #sweep: Sweep;
  readonly #subject: Subject;
  readonly #context: WorkerContext;
  readonly #conduct: Conduct;
  readonly #folder: string;
  readonly #handOver: SweepHandOver;
  #progress: Omit<Progress, 'phase'>;

  constructor(run: Run, sweep: Sweep, subject: Subject, context: WorkerContext, conduct: Conduct) {
    this.#run = run;
    this.#sweep = sweep;
    this.#subject = subject;
    this.#context = context;
    this.#conduct = conduct;
    this.#folder = sweepFolder(context, run);
    this.#handOver = new SweepHandOver(context, run, this.#folder);
    this.#progress = run.progress ?? { step: 0, steps: 0, secondsLeft: null };
  }

  async carryOut(): Promise<void> {
    const { signal } = this.#conduct;
    if (!(await this.#handOver.take(await this.#now()))) await this.#forgetScores();
    const { results, finalists } = await this.#findFinalists();
    const { cells } = await this.#now();
    this.#report('drawing the sheet');
    await drawSheet(this.#context, this.#run, this.#subject, cells, results, signal);
    const [best] = finalists;
    if (best !== undefined) await crownFirst(this.#context, this.#subject, best);
  }

  /** Trains, and stores the finalists; others, if a member drops one before they are noted. */
  async #findFinalists(): Promise<{ results: readonly SweepResult[]; finalists: readonly Adapter[] }> {
    for (;;) {
      const results = await this.#trainAll(await this.#ask());
      const finalists: Adapter[] = [];
      for (const result of results) finalists.push(await keepFinalist(this.#context, this.#run, result));
      if (await noteFinalists(this.#context, this.#run, finalists)) return { results, finalists };
      this.#conduct.signal.throwIfAborted();
    }
  }

  async #ask(): Promise<Omit<SweepAsk, 'dropped'>> {
    this.#report('collecting photos');
    const { cells } = this.#sweep;
    const distinct = (axis: 'a1' | 'a2' | 'lr') => [...new Set(cells.map((cell) => cell[axis]))];
    const { keep: _keep, ...common } = await trainAsk(
      this.#context,
      this.#run,
      this.#subject,
      this.#conduct.signal,
    );
    return {
      ...common,
      axes: { a1: distinct('a1'), a2: distinct('a2'), lr: distinct('lr') },
      folder: this.#folder,
    };
  }

  /** Trains until the finalists are known. Starts again if another model has begun. */
  async #trainAll(ask: Omit<SweepAsk, 'dropped'>): Promise<readonly SweepResult[]> {
    const { log } = this.#context;
    try {
      return await this.#train(ask);
    } catch (error) {
      if (!(error instanceof KronaError && error.code.startsWith('RESUME_'))) throw error;
      log.warn({ error, id: this.#run.id }, 'the sweep cannot be resumed, so it starts again');
      await this.#handOver.forget();
      await this.#forgetScores();
      return this.#train(await this.#ask());
    }
  }

  /** Trains without the cells that were dropped: anew, from where it stopped, whenever a member drops one. */
  async #train(ask: Omit<SweepAsk, 'dropped'>): Promise<readonly SweepResult[]> {
    for (;;) {
      const dropped = droppedOf(await this.#now());
      const changed = new AbortController();
      const looking = new Paced(async () => {
        const now = await this.#now().catch(() => null);
        if (now !== null && droppedOf(now).length > dropped.length)
          changed.abort(new Error('a cell was dropped'));
      }, LOOK_EVERY);
      const keeping = new InOrder();
      try {
        return await this.#context.engine.sweep(
          { ...ask, dropped },
          {
            signal: AbortSignal.any([this.#conduct.signal, changed.signal, keeping.signal]),
            onEvent: (event) => {
              if ('result' in event) keeping.add(() => this.#keepScore(event.result));
              else if ('state' in event) this.#conduct.advance();
              else if ('waits' in event) this.#report('waiting for a training');
              else {
                const { cell, phase, ...progress } = event.progress;
                this.#progress = progress;
                this.#report(`${phase} ${cellName(cell)}`);
              }
              looking.touch();
            },
          },
        );
      } catch (error) {
        this.#conduct.signal.throwIfAborted();
        if (!changed.signal.aborted) throw error;
      } finally {
        await looking.finish();
        await keeping.done();
      }
    }
  }

  #report(phase: string): void {
    this.#conduct.report({ progress: { ...this.#progress, phase } });
  }

  /** The sweep as the record has it. */
  async #now(): Promise<Sweep> {
    return (await this.#context.records.run(this.#run.id))?.sweep ?? this.#sweep;
  }

  #forgetScores(): Promise<void> {
    return this.#change((sweep) => ({
      ...sweep,
      cells: sweep.cells.map(({ files: _files, ...cell }) => ({ ...cell, score: null })),
    }));
  }

  /** Members drop cells meanwhile, so each change is one transaction. */
  async #change(to: (sweep: Sweep) => Sweep): Promise<void> {
    const { id } = this.#run;
    await this.#context.records.transaction(async (within) => {
      const sweep = (await within.run(id))?.sweep;
      if (sweep) await within.updateRun(id, { sweep: to(sweep) });
    });
  }

  /** Notes a score, and stores what another worker would go on from. */
  async #keepScore(result: SweepResult): Promise<void> {
    const { score } = result;
    const isIt = (cell: SweptCell): boolean => cellName(cell) === cellName(result);
    const before = (await this.#now()).cells.find(isIt)?.score?.step ?? 0;
    // An earlier attempt has trained it.
    if (before >= score.step) return;
    this.#conduct.advance();
    const files = await this.#handOver.keepFiles(result);
    await this.#change((sweep) => ({
      ...sweep,
      cells: sweep.cells.map((cell) => (isIt(cell) ? { ...cell, score, ...(files && { files }) } : cell)),
    }));
    await this.#handOver.keepDone();
  }
}
