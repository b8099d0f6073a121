/** @file Runs a UNet on all rows of a batch: in one run, or in several where the device's memory needs it. */
import { concatenated } from '../../core/concatenated.ts';
import { adapterInputs, shapesKey } from '../adapters/adapter-inputs.ts';
import type { AdapterShapes } from '../adapters/adapter.ts';
import type { KronaError } from '../../core/errors.ts';
import { onnxModel, programOf, type Precision } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import { withEightBitProducts } from '../graph/eight-bit-products.ts';
import * as op from '../graph/ops.ts';
import { isOutOfMemory } from '../graph/out-of-memory.ts';
import { graphMemory, type GraphMemory } from '../graph/peak-memory.ts';
import { fits, isLimited, makeRoom, tooSmall } from '../graph/room.ts';
import { Session, type Feeds } from '../graph/runtime.ts';
import { BYTES } from '../graph/shape-rules.ts';
import { sizeOf } from '../graph/tensor.ts';
import { besideInputs } from '../models/beside.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { frozenParameters, recordedParameters } from '../models/parameters.ts';
import { unetInputs, unetOutputs } from '../models/unet.ts';
import { vaeScale } from '../models/vae.ts';
import { SessionCache } from './session-cache.ts';

/** Sessions kept: with and without adapter, for a set and for one picture; with reuse, each has two. */
const KEPT = 6;

export interface UNetBatch {
  /** With guidance, two for each picture. */
  readonly rows: number;
  /** Of the latents. */
  readonly height: number;
  readonly width: number;
  /** Of the text. */
  readonly tokens: number;
  readonly adapters: readonly AdapterShapes[];
  /** Pictures that each row's self-attention reads beside it; none by default. */
  readonly beside?: number;
  /** What of a step is kept for the next one, or taken from the one before; nothing by default. */
  readonly reuse?: 'keep' | 'take';
  /** Products with weights in 8 bits; false by default. */
  readonly eightBit?: boolean;
}

/** What one step gives. */
export interface StepOutputs {
  /** [B,C,h,w] */
  readonly prediction: Float32Array;
  /** With `keep`, what `take` reads as its input `deep`. */
  readonly deep?: Float32Array;
}
type Outputs = { readonly prediction: Float32Array } & Readonly<Record<string, Float32Array>>;

/** Inputs of one row after the other. */
type RowFeeds = Readonly<Record<string, Float32Array>>;

export class UNetRuns {
  readonly #model: ModelFolder;
  readonly #sessions = new SessionCache<Session<Outputs>>(KEPT);
  readonly #memory = new Map<string, GraphMemory>();
  /** Rows that a run can have since one ran out of memory. */
  #most = Number.POSITIVE_INFINITY;
  #resident = 0;

  constructor(model: ModelFolder) {
    this.#model = model;
  }

  /** Bytes of weights on the device. */
  get resident(): number {
    return this.#resident;
  }

  /**
   * The outputs of all rows. A run that is out of memory is tried again with fewer rows.
   *
   * @param perRow inputs that each row has its own of
   * @param shared inputs that all rows share
   * @throws KronaError DEVICE_TOO_SMALL, OUT_OF_MEMORY
   */
  async predict(batch: UNetBatch, perRow: RowFeeds, shared: Feeds): Promise<StepOutputs> {
    for (let roomMade = false; ; roomMade = true) {
      const rows = this.rowsAtOnce(batch);
      try {
        return await this.#inRuns(batch, rows, perRow, shared);
      } catch (error) {
        if (!isOutOfMemory(error) || (rows === 1 && roomMade)) throw error;
        this.#most = Math.max(1, rows - 1);
        await makeRoom();
      }
    }
  }

  /** Rows of a run: the most that fit, of those that divide the batch. @throws KronaError DEVICE_TOO_SMALL */
  rowsAtOnce(batch: UNetBatch): number {
    const divisors = Array.from({ length: batch.rows }, (_, i) => batch.rows - i).filter(
      (n) => batch.rows % n === 0,
    );
    const found = divisors.find(
      (rows) => rows <= this.#most && (!isLimited() || fits(this.#memoryOf({ ...batch, rows }))),
    );
    if (found === undefined) throw this.#refusal({ ...batch, rows: 1 });
    return found;
  }

  release(): Promise<void> {
    this.#resident = 0;
    return this.#sessions.release();
  }

  async #inRuns(batch: UNetBatch, rows: number, perRow: RowFeeds, shared: Feeds): Promise<StepOutputs> {
    const session = await this.#session({ ...batch, rows });
    const runs = batch.rows / rows;
    if (runs === 1) return session.run({ ...perRow, ...shared });
    const parts: StepOutputs[] = [];
    for (let i = 0; i < runs; i++) {
      const feeds = Object.entries(perRow).map(([name, values]) => {
        const each = values.length / runs;
        return [name, values.subarray(i * each, (i + 1) * each)] as const;
      });
      parts.push(await session.run({ ...Object.fromEntries(feeds), ...shared }));
    }
    const deep = parts.flatMap((part) => part.deep ?? []);
    return {
      prediction: concatenated(parts.map(({ prediction }) => prediction)),
      ...(deep.length > 0 && { deep: concatenated(deep) }),
    };
  }

  #session(batch: UNetBatch): Promise<Session<Outputs>> {
    const limited = isLimited();
    const alone = limited && !fits(this.#memoryOf(batch), this.#memoryOf(batch).weights);
    return this.#sessions.get(
      keyOf(batch),
      () => {
        if (limited) this.#resident = (alone ? 0 : this.#resident) + this.#memoryOf(batch).weights;
        const whole = onnxModel(this.#outputs(batch), { precision: devicePrecision('drawing') });
        // As usual, the convolutions at both ends stay in float32: they have four channels on one side.
        return Session.create(programOf(batch.eightBit ? withEightBitProducts(whole, isAtAnEnd) : whole));
      },
      alone,
    );
  }

  #outputs({ rows, height, width, tokens, adapters, beside, reuse }: UNetBatch) {
    const { config, tensors, name } = this.#model.unet;
    const parameters = adapterInputs(adapters)(frozenParameters(name, tensors), '');
    const options = beside === undefined ? {} : { beside: besideInputs(rows, beside) };
    const inputs = unetInputs(config, rows, height, width, tokens);
    if (reuse === 'take') {
      const { shape } = unetOutputs(config, recordedParameters(), inputs).deep;
      const { prediction } = unetOutputs(config, parameters, inputs, { deep: op.input('deep', shape) });
      return { prediction };
    }
    const { prediction, deep } = unetOutputs(config, parameters, inputs, options);
    return reuse === 'keep' ? { prediction, deep } : { prediction };
  }

  /** The text encoders stay beside it. */
  #memoryOf(batch: UNetBatch): GraphMemory {
    const key = keyOf(batch);
    const known = this.#memory.get(key);
    if (known) return known;
    const precision = devicePrecision('drawing');
    const { weights, activations } = graphMemory(this.#outputs(batch), precision);
    const found = { weights: weights + textBytes(this.#model, precision), activations };
    this.#memory.set(key, found);
    return found;
  }

  #refusal(batch: UNetBatch): KronaError {
    const scale = vaeScale(this.#model.vae.config);
    const size = ({ width, height }: UNetBatch): string => `${width * scale}×${height * scale}`;
    const smaller = [3 / 4, 1 / 2].map((share) => {
      const side = (x: number): number => Math.max(8, Math.floor((x * share) / 8) * 8);
      return { ...batch, height: side(batch.height), width: side(batch.width) };
    });
    const remedies = smaller.map((less) => [size(less), this.#memoryOf(less)] as const);
    return tooSmall(`Drawing at ${size(batch)}`, this.#memoryOf(batch), remedies);
  }
}

function textBytes({ textEncoders }: ModelFolder, precision: Precision): number {
  const shapes = textEncoders.flatMap(({ tensors }) => [...tensors.values()].map(({ shape }) => shape));
  return shapes.reduce((sum, shape) => sum + sizeOf(shape) * BYTES[precision], 0);
}

const isAtAnEnd = (weight: string): boolean => /(^|\.)conv_(in|out)\./.test(weight);

const keyOf = ({
  rows,
  height,
  width,
  tokens,
  adapters,
  beside = 0,
  reuse,
  eightBit = false,
}: UNetBatch): string =>
  `${rows}x${height}x${width}x${tokens}+${beside} ${reuse ?? 'alone'} ${eightBit ? 8 : 32} ${shapesKey(adapters)}`;
