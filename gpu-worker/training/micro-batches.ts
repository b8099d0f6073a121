/** @file The micro-batches of a run on the device: one compiled program for each size, fed from the plan's examples. */
import { at } from '../../core/at.ts';
import type { Feeds } from '../graph/compile.ts';
import { useSmallerParts } from '../graph/device.ts';
import { isOutOfMemory } from '../graph/out-of-memory.ts';
import { graphMemory, type GraphMemory } from '../graph/peak-memory.ts';
import { fits, isLimited, keepReleasable, makeRoom, tooSmall } from '../graph/room.ts';
import { numberOf, Session } from '../graph/runtime.ts';
import { vaeScale } from '../models/vae.ts';
import { SessionCache } from '../sampling/session-cache.ts';
import { adapterGradient, adapterOutputs, type StepShape } from './adapter-graph.ts';
import type { MicroBatch } from './dataset.ts';
import { concatenated } from '../../core/concatenated.ts';
import type { PairRows } from './pairs.ts';
import type { TrainPlan } from './plan.ts';
import { pairFigures, type PairResults } from './preference-curve.ts';
import type { PairFigures } from './refine-options.ts';
import type { TextRows } from './texts.ts';
import type { Trace } from './trace.ts';

/** Number of sizes whose programs are kept at once; each program holds the model's weights. */
const KEPT_SIZES = 4;

/** Bytes of weights that can be in memory more than once, for speed. */
const PACKED_WEIGHTS = 512 * 2 ** 20;

type GradientSession = Session<{
  readonly loss: Float32Array;
  readonly gradient: Float32Array;
  readonly prior?: Float32Array;
  readonly photo_loss?: Float32Array;
  readonly margins?: Float32Array;
  readonly errors?: Float32Array;
}>;

/** What a micro-batch trains on. */
interface Examples {
  readonly batch: MicroBatch;
  /** Of a refinement, after its steps without pairs. */
  readonly pairs: PairRows | null;
  readonly text: TextRows;
  /** Of each row of pairs and batch. */
  readonly prompts: readonly string[];
}

export class MicroBatches {
  readonly #plan: TrainPlan;
  readonly #trace: Trace | null;
  readonly #sessions = new SessionCache<GradientSession>(KEPT_SIZES);
  readonly #forget = keepReleasable(() => this.#sessions.release());
  /** e_w − e_l of the adapter that the refinement started from, of each micro-batch of held-out pairs. */
  readonly #heldOutReferences: Float32Array[] = [];
  /** Whether the device holds the weights of one program only. */
  #alone = false;

  constructor(plan: TrainPlan, trace: Trace | null) {
    this.#plan = plan;
    this.#trace = trace;
  }

  /** Compiles the programs of the first sizes, as many as are kept. */
  async prepare(): Promise<void> {
    const { dataset, firstPairs } = this.#plan;
    const sizes = new Set<string>();
    // Those with pairs are the largest.
    for (let n = firstPairs; sizes.size < Math.min(KEPT_SIZES, dataset.sizes); n++) {
      const examples = this.#examples(n);
      sizes.add(sizeOf(examples.batch));
      this.#requireRoom(examples);
      await this.#smallerIfNeeded(() => this.#session(examples));
    }
  }

  #examples(n: number): Examples {
    const { dataset, pairs, firstPairs } = this.#plan;
    const batch = dataset.batch(n);
    return this.#with(batch, n < firstPairs ? null : (pairs?.batch(n, batch) ?? null));
  }

  #with(batch: MicroBatch, pairs: PairRows | null): Examples {
    const prompts = [...(pairs?.prompts ?? []), ...batch.prompts];
    return { batch, pairs, text: this.#plan.texts.rows(prompts), prompts };
  }

  /** Does it once more if the device is out of memory: with attention in smaller parts, and without other programs. */
  async #smallerIfNeeded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      useSmallerParts();
      await makeRoom();
      return work();
    }
  }

  /** @throws KronaError DEVICE_TOO_SMALL */
  #requireRoom(examples: Examples): void {
    if (!isLimited()) return;
    const { model, shapes, schedule, precision } = this.#plan;
    const shape = this.#shapeOf(examples);
    const memoryOf = (less: Partial<StepShape>): GraphMemory =>
      graphMemory({ ...adapterOutputs(model, shapes, schedule, { ...shape, ...less }) }, precision);
    const memory = memoryOf({});
    const others = Math.min(KEPT_SIZES, this.#plan.dataset.sizes) - 1;
    this.#alone ||= !fits(memory, others * memory.weights);
    if (fits(memory)) return;
    const { width, height } = shape;
    const half = { width: multipleOf64(width / 2), height: multipleOf64(height / 2) };
    throw tooSmall(`Training at ${width}×${height}`, memory, [
      ...(shape.batch > 1 && !shape.pairs ? [['A batch of 1', memoryOf({ batch: 1 })] as const] : []),
      ...(shape.checkpointing ? [] : [['Checkpointing', memoryOf({ checkpointing: true })] as const]),
      ...(width < 128 || height < 128
        ? []
        : [[`${half.width}×${half.height}`, memoryOf({ ...half, checkpointing: true })] as const]),
    ]);
  }

  #shapeOf({ batch, pairs, text: { tokens }, prompts }: Examples): StepShape {
    const { texts, options, onePrompt, precision } = this.#plan;
    const { width, height, weights, strengths } = batch;
    return {
      batch: prompts.length,
      ...(pairs && options.refine && { pairs: { ...options.refine, count: pairs.weights.length } }),
      width,
      height,
      tokens,
      chunkTokens: texts.chunkTokens,
      checkpointing: options.checkpointing,
      weighted: weights !== null,
      rowStrengths: strengths !== null,
      priorL2: options.priorL2 ?? 0,
      promptPerRow: !onePrompt,
      precision,
    };
  }

  /**
   * Computes micro-batch `n`, from 0: writes its gradient and returns its loss, and what it says of its pairs.
   *
   * @param lossScale what the loss is multiplied by, in 16 bits
   */
  async run(
    n: number,
    parameters: Float32Array,
    gradient: Float32Array,
    lossScale: number | null,
  ): Promise<{ readonly loss: number; readonly pairs: PairResults | null }> {
    const examples = this.#examples(n);
    const { pairs } = examples;
    const reference = pairs && (await this.#reference(examples, lossScale, gradient));
    const { loss, prior, photo_loss, margins } = await this.#compute(
      examples,
      { parameters, ...this.#feeds(examples, lossScale), ...(reference && { reference }) },
      gradient,
    );
    this.#record(n, examples, {
      loss,
      ...(prior && { prior }),
      ...(reference && photo_loss && margins && { reference, photo_loss, margins }),
    });
    if (!pairs || !margins || !photo_loss) return { loss: numberOf(loss), pairs: null };
    const photoLoss = numberOf(photo_loss);
    const ofPairs = numberOf(loss) - (this.#plan.options.refine?.photoWeight ?? 0) * photoLoss;
    return {
      loss: numberOf(loss),
      pairs: { margins, weights: pairs.weights, loss: ofPairs, photoLoss },
    };
  }

  /** Measures the held-out pairs, with the same noise at every call; null without any. */
  async heldOut(parameters: Float32Array, lossScale: number | null): Promise<PairFigures | null> {
    const gradient = new Float32Array(parameters.length);
    const { dataset, pairs: all } = this.#plan;
    const photos = dataset.batch(0);
    const found: Pick<PairResults, 'margins' | 'weights'>[] = [];
    for (let n = 0; n < (all?.heldOutBatches ?? 0); n++) {
      const pairs = all?.heldOut(n, photos);
      if (!pairs) continue;
      const examples = this.#with(photos, pairs);
      const reference = (this.#heldOutReferences[n] ??= await this.#reference(examples, lossScale, gradient));
      const feeds = { parameters, ...this.#feeds(examples, lossScale), reference };
      const { margins } = await this.#compute(examples, feeds, gradient);
      if (margins) found.push({ margins, weights: pairs.weights });
    }
    return found.length === 0 ? null : pairFigures(found);
  }

  /** e_w − e_l of each pair by the adapter that the refinement started from: the same program, other numbers. */
  async #reference(
    examples: Examples,
    lossScale: number | null,
    gradient: Float32Array,
  ): Promise<Float32Array> {
    const count = examples.pairs?.weights.length ?? 0;
    const reference = new Float32Array(count);
    const parameters = this.#plan.startParameters();
    const feeds = { parameters, ...this.#feeds(examples, lossScale), reference };
    const { errors = reference } = await this.#compute(examples, feeds, gradient);
    return reference.map((_, n) => at(errors, n) - at(errors, n + count));
  }

  #compute(examples: Examples, feeds: Feeds, gradient: Float32Array) {
    return this.#smallerIfNeeded(async () => (await this.#session(examples)).run(feeds, { gradient }));
  }

  release(): Promise<void> {
    this.#forget();
    return this.#sessions.release();
  }

  #session(examples: Examples): Promise<GradientSession> {
    const { model, shapes, schedule } = this.#plan;
    const { batch, text, pairs } = examples;
    return this.#sessions.get(
      `${sizeOf(batch)}x${text.tokens}${pairs ? ' pairs' : ''}`,
      () => {
        const program = adapterGradient(model, shapes, schedule, this.#shapeOf(examples));
        return Session.create(program, { mapWeights: program.weightBytes > PACKED_WEIGHTS });
      },
      this.#alone,
    );
  }

  #feeds({ batch, pairs, text, prompts }: Examples, lossScale: number | null): Feeds {
    const { schedule, texts, textTrained, onePrompt } = this.#plan;
    const { weights } = batch;
    const { latents, noise, timesteps, timeIds, strengths } = rowsOf(batch, pairs);
    return {
      clean_latents: latents,
      noise,
      timesteps: Float32Array.from(timesteps),
      encoder_hidden_states: text.states,
      // Models without them have no such inputs.
      ...(timeIds.length > 0 ? { text_embeds: text.pooled, time_ids: timeIds } : {}),
      ...(weights && { weights }),
      ...(strengths && { strengths }),
      ...(textTrained && texts.ids(onePrompt ? prompts.slice(0, 1) : prompts)),
      ...schedule.coefficients(timesteps),
      ...(pairs && { pair_weights: pairs.weights }),
      ...(lossScale !== null && { loss_scale: Float32Array.of(lossScale) }),
    };
  }

  #record(
    n: number,
    { batch, pairs, text }: Examples,
    results: Readonly<Record<string, Float32Array>>,
  ): void {
    if (!this.#trace) return;
    const { model, texts } = this.#plan;
    const { weights } = batch;
    const { latents, noise, timesteps, timeIds, strengths } = rowsOf(batch, pairs);
    const rows = timesteps.length;
    const scale = vaeScale(model.vae.config);
    const [h, w] = [batch.height / scale, batch.width / scale];
    const shape = [rows, model.unet.config.in_channels, h, w];
    this.#trace.batch(n, {
      latents: { shape, data: latents },
      noise: { shape, data: noise },
      timesteps: { shape: [rows], data: BigInt64Array.from(timesteps, BigInt) },
      encoder_hidden_states: { shape: [rows, text.tokens, texts.width], data: text.states },
      ...(timeIds.length > 0 && {
        text_embeds: { shape: [rows, text.pooled.length / rows], data: text.pooled },
        time_ids: { shape: [rows, timeIds.length / rows], data: timeIds },
      }),
      ...(weights && { weights: { shape: [batch.timesteps.length, 1, h, w], data: weights } }),
      ...(pairs && { pair_weights: { shape: [pairs.weights.length], data: pairs.weights } }),
      ...(strengths && { strengths: { shape: [rows], data: strengths } }),
      ...Object.fromEntries(
        Object.entries(results).map(([name, data]) => {
          const ofPairs = name === 'reference' || name === 'margins';
          return [name, { shape: ofPairs ? [data.length] : [], data }];
        }),
      ),
    });
  }
}

/** All rows of a micro-batch: pairs, then photos. */
function rowsOf(batch: MicroBatch, pairs: PairRows | null) {
  if (!pairs) return batch;
  const both = (name: 'latents' | 'noise' | 'timeIds') => concatenated([pairs[name], batch[name]]);
  return {
    latents: both('latents'),
    noise: both('noise'),
    timeIds: both('timeIds'),
    timesteps: Int32Array.from([...pairs.timesteps, ...batch.timesteps]),
    strengths: pairs.strengths && batch.strengths && concatenated([pairs.strengths, batch.strengths]),
  };
}

const multipleOf64 = (side: number): number => Math.floor(side / 64) * 64;

const sizeOf = ({ width, height }: MicroBatch): string => `${width}x${height}`;
