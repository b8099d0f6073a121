/** @file The micro-batches of a run on the device: one compiled program for each size, fed from the plan's examples. */
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
import type { TrainPlan } from './plan.ts';
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
}>;

export class MicroBatches {
  readonly #plan: TrainPlan;
  readonly #trace: Trace | null;
  readonly #sessions = new SessionCache<GradientSession>(KEPT_SIZES);
  readonly #forget = keepReleasable(() => this.#sessions.release());
  /** Whether the device holds the weights of one program only. */
  #alone = false;

  constructor(plan: TrainPlan, trace: Trace | null) {
    this.#plan = plan;
    this.#trace = trace;
  }

  /** Compiles the programs of the first sizes, as many as are kept. */
  async prepare(): Promise<void> {
    const { dataset } = this.#plan;
    const sizes = new Set<string>();
    for (let n = 0; sizes.size < Math.min(KEPT_SIZES, dataset.sizes); n++) {
      const batch = dataset.batch(n);
      sizes.add(sizeOf(batch));
      const text = this.#plan.texts.rows(batch.prompts);
      this.#requireRoom(batch, text);
      await this.#smallerIfNeeded(() => this.#session(batch, text));
    }
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
  #requireRoom(batch: MicroBatch, text: TextRows): void {
    if (!isLimited()) return;
    const { model, shapes, schedule, precision } = this.#plan;
    const shape = this.#shapeOf(batch, text);
    const memoryOf = (less: Partial<StepShape>): GraphMemory =>
      graphMemory({ ...adapterOutputs(model, shapes, schedule, { ...shape, ...less }) }, precision);
    const memory = memoryOf({});
    const others = Math.min(KEPT_SIZES, this.#plan.dataset.sizes) - 1;
    this.#alone ||= !fits(memory, others * memory.weights);
    if (fits(memory)) return;
    const { width, height } = shape;
    const half = { width: multipleOf64(width / 2), height: multipleOf64(height / 2) };
    throw tooSmall(`Training at ${width}×${height}`, memory, [
      ...(shape.batch > 1 ? [['A batch of 1', memoryOf({ batch: 1 })] as const] : []),
      ...(shape.checkpointing ? [] : [['Checkpointing', memoryOf({ checkpointing: true })] as const]),
      ...(width < 128 || height < 128
        ? []
        : [[`${half.width}×${half.height}`, memoryOf({ ...half, checkpointing: true })] as const]),
    ]);
  }

  #shapeOf(batch: MicroBatch, { tokens }: TextRows): StepShape {
    const { texts, options, onePrompt, precision } = this.#plan;
    const { width, height, timesteps, weights, strengths } = batch;
    return {
      batch: timesteps.length,
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
   * Computes micro-batch `n`, from 0: writes its gradient and returns its loss.
   *
   * @param lossScale what the loss is multiplied by, in 16 bits
   */
  async run(
    n: number,
    parameters: Float32Array,
    gradient: Float32Array,
    lossScale: number | null,
  ): Promise<number> {
    const batch = this.#plan.dataset.batch(n);
    const text = this.#plan.texts.rows(batch.prompts);
    const feeds = { parameters, ...this.#feeds(batch, text, lossScale) };
    const { loss, prior } = await this.#smallerIfNeeded(async () =>
      (await this.#session(batch, text)).run(feeds, { gradient }),
    );
    this.#record(n, batch, text, { loss, ...(prior && { prior }) });
    return numberOf(loss);
  }

  release(): Promise<void> {
    this.#forget();
    return this.#sessions.release();
  }

  #session(batch: MicroBatch, text: TextRows): Promise<GradientSession> {
    const { model, shapes, schedule } = this.#plan;
    return this.#sessions.get(
      `${sizeOf(batch)}x${text.tokens}`,
      () => {
        const program = adapterGradient(model, shapes, schedule, this.#shapeOf(batch, text));
        return Session.create(program, { mapWeights: program.weightBytes > PACKED_WEIGHTS });
      },
      this.#alone,
    );
  }

  #feeds(batch: MicroBatch, text: TextRows, lossScale: number | null): Feeds {
    const { schedule, texts, textTrained, onePrompt } = this.#plan;
    const { latents, noise, timesteps, timeIds, weights, strengths, prompts } = batch;
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
      ...(lossScale !== null && { loss_scale: Float32Array.of(lossScale) }),
    };
  }

  #record(
    n: number,
    batch: MicroBatch,
    text: TextRows,
    results: Readonly<Record<string, Float32Array>>,
  ): void {
    if (!this.#trace) return;
    const { model, texts } = this.#plan;
    const { latents, noise, timesteps, timeIds, weights, strengths } = batch;
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
      ...(weights && { weights: { shape: [rows, 1, h, w], data: weights } }),
      ...(strengths && { strengths: { shape: [rows], data: strengths } }),
      ...Object.fromEntries(Object.entries(results).map(([name, data]) => [name, { shape: [], data }])),
    });
  }
}

const multipleOf64 = (side: number): number => Math.floor(side / 64) * 64;

const sizeOf = ({ width, height }: MicroBatch): string => `${width}x${height}`;
