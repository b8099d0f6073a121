/**
 * @file DreamBooth (arXiv 2208.12242) with an adapter of any method: photos and a prompt in, an adapter file out.
 * Text embeddings and latents are made once, before the first step; a checkpoint holds all that is needed to go on.
 * What the options are for and where they come from: docs/training.md.
 */
import { rm } from 'node:fs/promises';
import { KronaError } from '../../core/errors.ts';
import { adapterLayers, adapterLayout } from '../adapters/adapter.ts';
import { ADAPTER_METHODS } from '../adapters/methods.ts';
import { devicePrecision } from '../graph/device.ts';
import { Session } from '../graph/runtime.ts';
import { openModel } from '../models/open-model.ts';
import { vaeScale } from '../models/vae.ts';
import { SessionCache } from '../sampling/session-cache.ts';
import { AdamW, ADAMW_DEFAULTS, initialState, type AdamWSettings } from './adamw.ts';
import { adapterGradient, trainsText } from './adapter-graph.ts';
import type { MicroBatch } from './dataset.ts';
import { INITIAL_LOSS_SCALE, scaledStep, type LossScale } from './loss-scale.ts';
import { lrShare } from './lr-schedule.ts';
import { noiseSchedule } from './noise-schedule.ts';
import { loadOptimizer, saveOptimizer } from './optimizer-file.ts';
import { adapterInfoOf, runKey } from './run-facts.ts';
import { Texts } from './texts.ts';
import { Trace } from './trace.ts';
import { trainData } from './train-data.ts';
import type { TrainHooks } from './train-hooks.ts';
import type { TrainOptions, TrainProgress, TrainResult } from './train-options.ts';

/** Sizes of batches whose graphs are kept at once; each holds the model's weights. */
const KEPT_SIZES = 4;

/**
 * Trains, or goes on training.
 * @throws KronaError MODEL_*, PHOTO_*, MASK_*, FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED,
 * TRACE_UNSUPPORTED, NOISE_STRENGTH_UNSUPPORTED, RESUME_MISMATCH, TRAINING_DIVERGED, DISK_FULL, FILE_UNWRITABLE; and the
 * signal's reason when it aborts
 */
export async function trainAdapter(options: TrainOptions, hooks: TrainHooks = {}): Promise<TrainResult> {
  const { steps, accumulation, signal, precision } = {
    precision: devicePrecision(),
    ...options,
    signal: hooks.signal,
  };
  const report = (phase: string, step: number, loss: number | null, secondsLeft: number | null): void =>
    hooks.onProgress?.({ phase, step, steps, loss, secondsLeft } satisfies TrainProgress);

  // 1. the model, and what the adapter adds to it
  const model = await openModel(options.model);
  const schedule = noiseSchedule(model.scheduler);
  const method = ADAPTER_METHODS[options.method];
  const shapes = method.shapes(model, options);
  const layout = adapterLayout(shapes);
  const textTrained = trainsText(shapes);
  if (textTrained && options.trace !== null)
    throw new KronaError(
      'TRACE_UNSUPPORTED',
      'A trace holds encoded texts, which change when text encoders are trained; leave out one of the two.',
    );
  if (options.noiseStrength !== undefined && options.method === 'full')
    throw new KronaError(
      'NOISE_STRENGTH_UNSUPPORTED',
      'Full fine-tuning changes weights that all noise levels of a batch share; leave out noise-strength, or train krona or lora.',
    );
  const info = await adapterInfoOf(model, options, schedule.prediction);

  // 2. what it is trained on: encoded once
  const { dataset, prompts } = await trainData(model, schedule, options, hooks, (phase) =>
    report(phase, 0, null, null),
  );
  const texts = await Texts.encode(model, prompts);
  const onePrompt = new Set(prompts).size === 1;

  // 3. where it starts
  const adamw: AdamWSettings = {
    ...ADAMW_DEFAULTS,
    weightDecay: options.weightDecay,
    maxGradNorm: options.maxGradNorm,
  };
  const key = runKey({ ...options, ...(precision === 'float16' && { precision }) });
  const start = await startingPoint(options, key, () =>
    initialState(method.initial(layout, options.seed, options), adamw),
  );
  const losses = [...start.losses];
  let lossScale = precision === 'float16' ? (start.lossScale ?? INITIAL_LOSS_SCALE) : null;
  report('preparing', start.state.step, losses.at(-1) ?? null, null);
  const scale = vaeScale(model.vae.config);
  const sessions = new SessionCache<Session>(KEPT_SIZES);
  /** One graph for each size of the batches. */
  const sessionOf = ({ width, height, timesteps, weights, strengths }: MicroBatch): Promise<Session> =>
    sessions.get(`${width}x${height}`, () => {
      const program = adapterGradient(model, shapes, schedule, {
        batch: timesteps.length,
        width,
        height,
        tokens: texts.tokens,
        checkpointing: options.checkpointing,
        weighted: weights !== null,
        rowStrengths: strengths !== null,
        promptPerRow: !onePrompt,
        precision,
      });
      return Session.create(program, { mapWeights: program.weightBytes > PACKED_WEIGHTS });
    });
  // Made before the steps are timed.
  for (let n = 0, sizes = new Set<string>(); sizes.size < Math.min(KEPT_SIZES, dataset.sizes); n++) {
    const first = dataset.batch(n);
    sizes.add(`${first.width}x${first.height}`);
    await sessionOf(first);
  }
  const optimizer = await AdamW.create(adamw, start.state);
  const trace = options.trace === null ? null : new Trace(shapes);
  trace?.factors(0, optimizer.state.parameters);

  const learningRate = (step: number): number =>
    options.lr * lrShare(options.lrSchedule ?? 'constant', step, steps, options.warmup);
  const gradient = new Float32Array(layout.length);
  const micro = new Float32Array(layout.length);

  /** Time that is none of the steps', ms. */
  let waited = 0;
  let stateSaved = { step: start.state.step, at: performance.now() };
  const saveState = async (): Promise<void> => {
    const { step } = optimizer.state;
    if (step === stateSaved.step) return;
    const facts = {
      run: key,
      losses: JSON.stringify(losses),
      loss_scale: JSON.stringify(lossScale),
    };
    await saveOptimizer(statePath(options.out), optimizer.state, facts);
    stateSaved = { step, at: performance.now() };
  };
  const save = async (final: boolean): Promise<void> => {
    const { step, parameters } = optimizer.state;
    const path = final ? options.out : checkpointPath(options.out, step);
    await method.write(path, adapterLayers(shapes, parameters), model, { ...info, steps: step });
    if (!final) await saveState();
    const saved = performance.now();
    await hooks.onSaved?.({ step, path, final });
    waited += performance.now() - saved;
  };

  // 4. the steps
  const began = performance.now();
  const turn = async (): Promise<void> => {
    const asked = performance.now();
    await hooks.turn?.();
    waited += performance.now() - asked;
    signal?.throwIfAborted();
  };
  try {
    for (let step = start.state.step; step < steps;) {
      gradient.fill(0);
      let loss = 0;
      for (let n = step * accumulation; n < (step + 1) * accumulation; n++) {
        await turn();
        const batch = dataset.batch(n);
        const { latents, noise, timesteps, timeIds, weights, strengths } = batch;
        const text = texts.rows(batch.prompts);
        const feeds = {
          parameters: optimizer.state.parameters,
          clean_latents: latents,
          noise,
          timesteps: Float32Array.from(timesteps),
          encoder_hidden_states: text.states,
          // Models without them have no such inputs.
          ...(timeIds.length > 0 ? { text_embeds: text.pooled, time_ids: timeIds } : {}),
          ...(weights && { weights }),
          ...(strengths && { strengths }),
          ...(textTrained && texts.ids(onePrompt ? batch.prompts.slice(0, 1) : batch.prompts)),
          ...schedule.coefficients(timesteps),
          ...(lossScale && { loss_scale: Float32Array.of(lossScale.scale) }),
        };
        const session = await sessionOf(batch);
        const one = (await session.run(feeds, { gradient: micro }))['loss'] as Float32Array;
        loss += one[0]! / accumulation;
        for (let i = 0; i < gradient.length; i++) gradient[i]! += micro[i]! / accumulation;
        const rows = timesteps.length;
        const [h, w] = [batch.height / scale, batch.width / scale];
        const latentShape = [rows, model.unet.config.in_channels, h, w];
        trace?.batch(n, {
          latents: { shape: latentShape, data: latents },
          noise: { shape: latentShape, data: noise },
          timesteps: { shape: [rows], data: BigInt64Array.from(timesteps, BigInt) },
          encoder_hidden_states: { shape: [rows, texts.tokens, texts.width], data: text.states },
          ...(timeIds.length > 0 && {
            text_embeds: { shape: [rows, text.pooled.length / rows], data: text.pooled },
            time_ids: { shape: [rows, timeIds.length / rows], data: timeIds },
          }),
          ...(weights && { weights: { shape: [rows, 1, h, w], data: weights } }),
          ...(strengths && { strengths: { shape: [rows], data: strengths } }),
          loss: { shape: [], data: one },
        });
      }
      if (!Number.isFinite(loss)) {
        throw new KronaError(
          'TRAINING_DIVERGED',
          `The loss became ${loss} at step ${step + 1}; try a lower learning rate than ${options.lr}.`,
        );
      }
      const rate = learningRate(step);
      const { taken, scale: next } = await scaledStep(gradient, lossScale, () =>
        optimizer.step(gradient, rate),
      );
      lossScale = next;
      if (!taken) continue;
      step += 1;
      losses.push(loss);
      trace?.factors(step, optimizer.state.parameters);
      const perStep = (performance.now() - began - waited) / 1000 / (step - start.state.step);
      report('training', step, loss, perStep * (steps - step));
      if (step === steps) break;
      if (options.checkpointEvery && step % options.checkpointEvery === 0) await save(false);
      else if ((performance.now() - stateSaved.at) / 1000 >= (options.stateSeconds ?? Infinity))
        await saveState();
    }
    const seconds = (performance.now() - began - waited) / 1000;
    await save(true);
    await rm(statePath(options.out), { force: true });
    await trace?.write(options.trace!, {
      method: options.method,
      scale: method.scale(options),
      accumulation,
      lr: losses.map((_, step) => learningRate(step)),
      optimizer: adamw,
      predictionType: schedule.prediction,
    });
    return {
      adapter: options.out,
      parameters: layout.length,
      steps,
      loss: losses,
      secondsPerStep: seconds / Math.max(1, steps - start.state.step),
      peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    };
  } catch (error) {
    // Asked to stop, not failed: whoever saves at all goes on from here. Without it, from an earlier state.
    const resumable = options.checkpointEvery !== null || options.stateSeconds !== undefined;
    if (signal?.aborted && resumable) await saveState().catch(() => {});
    throw error;
  } finally {
    await sessions.release();
    await optimizer.release();
  }
}

/** Weights that may lie in memory more than once, for speed; bytes. */
export const PACKED_WEIGHTS = 512 * 2 ** 20;

/** Adapter files of checkpoints lie beside the last, numbered by step. */
export const checkpointPath = (out: string, step: number): string =>
  out.replace(/(\.safetensors)?$/, `-${String(step).padStart(6, '0')}.safetensors`);

/** The newest optimiser state; gone when the run has ended. */
const statePath = (out: string): string => out.replace(/(\.safetensors)?$/, '.state.safetensors');

async function startingPoint(
  options: TrainOptions,
  key: string,
  fresh: () => ReturnType<typeof initialState>,
) {
  const saved = options.resume ? await loadOptimizer(statePath(options.out)) : null;
  if (!saved) return { state: fresh(), losses: [], lossScale: null };
  if (saved.facts.get('run') !== key) {
    throw new KronaError(
      'RESUME_MISMATCH',
      'The checkpoint beside the output belongs to a run with other settings; use them again, or another output.',
    );
  }
  if (options.trace !== null) {
    throw new KronaError(
      'RESUME_MISMATCH',
      'A trace must hold the whole run; leave out --resume or --trace.',
    );
  }
  return {
    state: saved.state,
    losses: JSON.parse(saved.facts.get('losses') ?? '[]') as number[],
    lossScale: JSON.parse(saved.facts.get('loss_scale') ?? 'null') as LossScale | null,
  };
}
