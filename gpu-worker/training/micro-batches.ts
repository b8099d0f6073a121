/** @file The micro-batches of a run on the device: one compiled program for each size, fed from the plan's examples. */
import type { Feeds } from '../graph/compile.ts';
import { numberOf, Session } from '../graph/runtime.ts';
import { vaeScale } from '../models/vae.ts';
import { SessionCache } from '../sampling/session-cache.ts';
import { adapterGradient } from './adapter-graph.ts';
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
      await this.#session(batch, this.#plan.texts.rows(batch.prompts));
    }
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
    const session = await this.#session(batch, text);
    const feeds = { parameters, ...this.#feeds(batch, text, lossScale) };
    const { loss, prior } = await session.run(feeds, { gradient });
    this.#record(n, batch, text, { loss, ...(prior && { prior }) });
    return numberOf(loss);
  }

  release(): Promise<void> {
    return this.#sessions.release();
  }

  #session(batch: MicroBatch, { tokens }: TextRows): Promise<GradientSession> {
    const { model, shapes, schedule, texts, options, onePrompt, precision } = this.#plan;
    const { width, height, timesteps, weights, strengths } = batch;
    return this.#sessions.get(`${sizeOf(batch)}x${tokens}`, () => {
      const program = adapterGradient(model, shapes, schedule, {
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
      });
      return Session.create(program, { mapWeights: program.weightBytes > PACKED_WEIGHTS });
    });
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

const sizeOf = ({ width, height }: MicroBatch): string => `${width}x${height}`;
