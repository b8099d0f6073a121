/**
 * @file The job `train`: makes checkpoints, pictures and the final adapter from a run's record and photos. Attempts hand
 * over through `runs/<run id>/` of the data folder and the records alone.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { stepSeconds } from '../../core/metrics.ts';
import type { JobHandler } from '../../storage/jobs/contract.ts';
import type { Adapter, CheckpointScore, Resumed, Run, Subject } from '../../core/records.ts';
import { traced } from '../../core/tracing.ts';
import type { EngineWork } from '../engine/protocol.ts';
import { trainedSteps } from '../training/checkpoint.ts';
import type { PreferencePoint } from '../training/refine-options.ts';
import type { SavedAdapter } from '../training/train-hooks.ts';
import type { TrainResult } from '../training/train-options.ts';
import { carryOut, isRestarted, reasonToEnd, RUNS, type Conduct } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { crownFirst, fitsModel } from './crown.ts';
import { HandOver } from './hand-over.ts';
import { InOrder } from './in-order.ts';
import { LossCurve } from './loss-curve.ts';
import { contextOn } from './pulled-models.ts';
import { refineAsk, type RefineAsk } from './refine-ask.ts';
import { drawRunPictures, finalsOf, samplesOf } from './run-pictures.ts';
import { runFolder, tidyRun } from './sweep-runs.ts';
import { countTrained } from './speeds.ts';
import { trainAsk } from './train-ask.ts';

/** Checkpoints of a run that is long enough. */
const CHECKPOINTS = 4;
/** The same of one that keeps the best: more to choose from. */
const SCORED_CHECKPOINTS = 8;
/** Least steps between two checkpoints; fewer hardly change an adapter. */
const LEAST_STEPS = 20;

const DRAWING = 'drawing samples';

type TrainAsk = EngineWork['train']['ask'];

/** A state is damaged, or of another run. */
const isUnfit = (error: unknown): boolean => error instanceof KronaError && error.code.startsWith('RESUME_');

export function trainJob(context: WorkerContext): JobHandler<'train'> {
  return async (job) => {
    const { runId } = job.payload;
    try {
      await carryOut(RUNS, runId, job, context, async (run, conduct) => {
        const subject = await context.records.subject(run.subjectId);
        // A deleted subject has no runs.
        if (subject === null) return;
        const own = await contextOn(context, run.model, conduct);
        await new Training(run, subject, own, conduct).carryOut();
      });
    } finally {
      await tidyRun(runId, context).catch((error: unknown) => {
        context.log.warn({ error, id: runId }, 'could not clean up after a run');
      });
    }
  };
}

class Training {
  readonly #run: Run;
  readonly #subject: Subject;
  readonly #context: WorkerContext;
  readonly #conduct: Conduct;
  readonly #folder: string;
  readonly #curve: LossCurve;
  #scores: Run['scores'];
  /** Of a refinement. */
  #preference: Run['preference'];
  /** Steps done. */
  #step: number;
  /** How it goes on after another attempt; null for the first. */
  #resumed: Resumed | null = null;
  /** This attempt has saved a state, so that the next goes on from a later step. */
  #gotFurther = false;
  /** A checkpoint's pictures are being drawn, for which the training mostly waits. */
  #drawing = false;

  constructor(run: Run, subject: Subject, context: WorkerContext, conduct: Conduct) {
    this.#run = run;
    this.#subject = subject;
    this.#context = context;
    this.#conduct = conduct;
    this.#folder = runFolder(context.dataFolder, run.id);
    this.#curve = new LossCurve(run.settings.steps, run.losses);
    this.#scores = run.scores;
    this.#preference = run.preference;
    this.#step = run.progress?.step ?? 0;
  }

  async carryOut(): Promise<void> {
    const ask = await this.#ask();
    await this.#dropUnfit();
    const { out, checkpointEvery } = ask;
    const handOver = new HandOver({
      ...{ context: this.#context, runId: this.#run.id, out, checkpointEvery },
      adapters: () => this.#adapters(),
    });
    await this.#resume(handOver);
    const keeping = new InOrder();
    for (const saved of await this.#savedBefore()) keeping.add(() => this.#keepCheckpoint(saved, handOver));
    try {
      await this.#trainAndKeep(ask, keeping, handOver);
    } finally {
      await this.#leave(handOver);
    }

    const step = await trainedSteps(ask.out);
    const final = await this.#keep({ step, path: ask.out, final: true });
    // A refinement replaces the champion only by winning a duel, which the bot opens.
    if (this.#run.refinement !== null) return;
    await crownFirst(this.#context, this.#subject, final);
    this.#report('drawing the result', null);
    await drawRunPictures(
      this.#context,
      this.#run,
      this.#subject,
      finalsOf(this.#run, await this.#adapters()),
      this.#conduct,
    );
  }

  /** Trains, and waits until its checkpoints are kept. */
  async #trainAndKeep(ask: TrainAsk, keeping: InOrder, handOver: HandOver): Promise<void> {
    try {
      // An earlier attempt may have finished the training and nothing after it.
      if (!(await exists(ask.out))) await this.#train(ask, keeping, handOver);
    } catch (error) {
      const other: unknown = await keeping.done().then(
        () => null,
        (failure: unknown) => failure,
      );
      if ((other === null || isRestarted(other)) && this.#gotFurther) this.#conduct.advance();
      // Where the engine died of this run's own pictures, the training only was there.
      throw other !== null && isRestarted(error) ? other : error;
    }
    await keeping.done();
  }

  /** The request to the engine. */
  async #ask(): Promise<TrainAsk> {
    const { steps, keep } = this.#run.settings;
    this.#report('collecting photos', null);
    const common = await trainAsk(this.#context, this.#run, this.#subject, this.#conduct.signal);
    // A queue that lost its jobs counts attempts anew.
    const begun = this.#conduct.attempt > 1 || (await this.#context.records.runState(this.#run.id)) !== null;
    const refine = await refineAsk(this.#context, this.#run, this.#subject, this.#folder, begun);
    if (refine !== null) await this.#noteVotes(refine);
    return {
      ...common,
      checkpointEvery: Math.max(
        LEAST_STEPS,
        Math.ceil(steps / (keep === 'best' ? SCORED_CHECKPOINTS : CHECKPOINTS)),
      ),
      resume: true,
      trace: null,
      out: join(this.#folder, 'adapter.safetensors'),
      ...(refine !== null && { refine: refine.options }),
    };
  }

  /** The run's message tells how many pairs there are. */
  async #noteVotes({ options, members, votesHash }: RefineAsk): Promise<void> {
    const { id, refinement } = this.#run;
    if (refinement !== null)
      await this.#context.records.updateRun(id, {
        refinement: {
          ...refinement,
          votes: { pairs: options.pairs.length, members },
          ...(votesHash !== null && { votesHash }),
        },
      });
  }

  async #train(ask: TrainAsk, keeping: InOrder, handOver: HandOver): Promise<void> {
    const options = {
      signal: AbortSignal.any([this.#conduct.signal, keeping.signal]),
      onEvent: (event: EngineWork['train']['event']) => {
        if ('saved' in event) {
          if (!event.saved.final) keeping.add(() => this.#keepCheckpoint(event.saved, handOver));
          return;
        }
        if ('state' in event) {
          this.#gotFurther = true;
          // Pictures that kill the engine again and again are to end the run, however far it trains meanwhile.
          if (!this.#drawing) this.#conduct.advance();
          if (handOver.isDue) keeping.add(() => handOver.keep());
          return;
        }
        if ('scored' in event) {
          this.#addScore(event.scored);
          return;
        }
        const { step, loss, phase, secondsLeft, preference } = event.progress;
        // A resumed run reads its photos first; its progress doesn't fall back to 0.
        if (loss !== null) this.#step = step;
        if (phase === 'training' && loss !== null) this.#curve.add(step, loss);
        if (preference !== undefined) this.#addPoint(preference);
        this.#report(this.#drawing ? DRAWING : phase, secondsLeft);
      },
    };
    const { log } = this.#context;
    const train = (from: TrainAsk) =>
      traced(this.#run.id, 'train', () => this.#context.engine.train(from, options));
    const result = await this.#resuming(handOver, train, ask);
    const { parameters, secondsPerStep, peakMemoryMiB } = result;
    log.info({ id: this.#run.id, parameters, secondsPerStep, peakMemoryMiB }, 'trained');
    if (secondsPerStep > 0) stepSeconds.observe(secondsPerStep);
    if (this.#run.refinement === null) await countTrained(this.#context.records, this.#run, secondsPerStep);
  }

  /** Trains from the state that is here; where that can't be resumed, from the stored one; else from the start. */
  async #resuming(
    handOver: HandOver,
    train: (ask: TrainAsk) => Promise<TrainResult>,
    ask: TrainAsk,
  ): Promise<TrainResult> {
    const { log } = this.#context;
    const { id } = this.#run;
    for (;;) {
      try {
        return await train(ask);
      } catch (error) {
        if (!isUnfit(error)) throw error;
        log.warn({ error, id }, 'the state of the run cannot be resumed');
      }
      // The stored state is taken once: if that can't be resumed either, it is forgotten.
      const stored = await handOver.takeInstead();
      if (stored === null) break;
      this.#resumed = stored;
    }
    log.warn({ id }, 'training starts again');
    if (this.#resumed !== null) this.#resumed = { ...this.#resumed, step: 0 };
    return train({ ...ask, restart: true });
  }

  /** A resumed run scores some checkpoints again, with the same result. */
  #addScore(score: CheckpointScore): void {
    this.#scores = [...this.#scores.filter(({ step }) => step < score.step), score];
  }

  /** A run that resumes at an earlier step loses the points after it. */
  #addPoint({ step, margin, accuracy, heldOut }: PreferencePoint): void {
    const before = this.#preference.filter((point) => point.step < step);
    this.#preference = [...before, { step, margin, accuracy, heldOut }];
  }

  #report(phase: string, secondsLeft: number | null): void {
    const { steps } = this.#run.settings;
    const progress = {
      ...{ step: this.#step, steps, secondsLeft, phase },
      ...(this.#resumed && { resumed: this.#resumed }),
    };
    this.#conduct.report({
      progress,
      losses: this.#curve.points,
      scores: this.#scores,
      preference: this.#preference,
    });
  }

  /** Checkpoints in the folder from an earlier attempt, which may have stopped before it stored them. */
  async #savedBefore(): Promise<SavedAdapter[]> {
    const names = await readdir(this.#folder);
    return names.sort().flatMap((name) => {
      const step = /^adapter-(\d+)\.safetensors$/.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(this.#folder, name), final: false }];
    });
  }

  async #keepCheckpoint(saved: SavedAdapter, handOver: HandOver): Promise<void> {
    const adapter = await this.#keep(saved);
    await handOver.keep();
    const samples = samplesOf(this.#run, adapter);
    this.#drawing = true;
    this.#report(DRAWING, null);
    try {
      await drawRunPictures(this.#context, this.#run, this.#subject, samples, this.#conduct);
    } finally {
      this.#drawing = false;
    }
  }

  /** Finds where to go on after another attempt, which members are told. */
  async #resume(handOver: HandOver): Promise<void> {
    const from = await handOver.take();
    if (this.#conduct.attempt === 1) return;
    this.#step = from.step;
    this.#resumed = from;
  }

  /** Stores the last state of a training that goes back to the queue. */
  async #leave(handOver: HandOver): Promise<void> {
    if (reasonToEnd(this.#conduct) !== 'JOB_INTERRUPTED') return;
    await handOver.keep().catch((error: unknown) => {
      this.#context.log.warn({ error, id: this.#run.id }, 'could not store the last state of a training');
    });
  }

  /** Stores an adapter's file and record, unless they are stored. */
  async #keep({ step, path, final }: SavedAdapter): Promise<Adapter> {
    const { records, blobs } = this.#context;
    const { id: runId, subjectId, channelId, settings } = this.#run;
    const ofStep = async () => (await this.#adapters()).find((adapter) => adapter.step === step);
    const known = await ofStep();
    if (known && (known.final || !final)) return known;
    const { hash: blobHash, size } = await blobs.put(createReadStream(path));
    const id = randomUUID();
    await records.addAdapter({ id, runId, subjectId, channelId, step, final, blobHash, size, settings });
    const added = await ofStep();
    if (!added) throw new Error(`the adapter of step ${step} was deleted at once`);
    // Each is stored once, so a run whose engine dies after every one of them still comes to its end.
    this.#conduct.advance();
    return added;
  }

  /** Of this run, in order of steps. */
  async #adapters(): Promise<Adapter[]> {
    const all = await this.#context.records.adapters(this.#run.channelId);
    return all.filter(({ runId }) => runId === this.#run.id).sort((a, b) => a.step - b.step);
  }

  /** Drops what an earlier attempt made with another model: the run then starts again with the worker's. */
  async #dropUnfit(): Promise<void> {
    const { records, engine } = this.#context;
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      if (/^adapter(?:-\d+)?\.safetensors$/.test(name) && !(await engine.fits(path))) await rm(path);
    }
    for (const adapter of await this.#adapters())
      if (!(await fitsModel(this.#context, adapter))) await records.deleteAdapter(adapter.id);
  }
}
