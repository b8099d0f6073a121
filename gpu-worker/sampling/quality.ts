/**
 * @file Drawing fast: of two steps, or of three with a small model, one runs the whole UNet, and the others only its first level,
 * on what that step computed below (DeepCache, arXiv 2312.00858). On a CPU, products with the weights of large models run in 8
 * bits.
 */
import type { Quality } from '../../core/settings/choices.ts';
import { SMALL_MODEL } from '../../core/settings/model-card.ts';
import { modelCard } from '../adapters/model-card.ts';
import { currentDevice } from '../graph/device.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { StepOutputs, UNetBatch } from './unet-runs.ts';

/** Steps of which one is whole: small models gain nothing by 8 bits. */
const INTERVALS = { small: 3, large: 2 } as const;
/** With fewer steps, two that follow each other differ too much. */
const FEWEST_STEPS = 10;

/** Which parts of drawing are cheaper. */
export interface Savings {
  readonly eightBit: boolean;
  /** Steps of which one is whole; 1: all are. */
  readonly interval: number;
}

/** @param steps calls of the model in all */
export function savingsOf(quality: Quality, steps: number, model: ModelFolder): Savings {
  if (quality === 'exact') return { eightBit: false, interval: 1 };
  const small = modelCard(model).nativeSize <= SMALL_MODEL;
  return {
    // The products of small models are too small to gain: docs/speed.md.
    eightBit: !small && currentDevice() === 'cpu',
    interval: steps < FEWEST_STEPS ? 1 : INTERVALS[small ? 'small' : 'large'],
  };
}

/** What one of a step's predictions keeps for the next step. */
export class Reuse {
  readonly #savings: Savings;
  #deep: Float32Array | null = null;

  constructor(savings: Savings) {
    this.#savings = savings;
  }

  /**
   * One prediction.
   *
   * @param step from 0
   * @param batch a step that reads other pictures is whole
   */
  async predict(
    step: number,
    batch: UNetBatch,
    run: (batch: UNetBatch, more: Readonly<Record<string, Float32Array>>) => Promise<StepOutputs>,
  ): Promise<Float32Array> {
    const { eightBit, interval } = this.#savings;
    if (interval === 1) return (await run({ ...batch, eightBit }, {})).prediction;
    if (step % interval !== 0 && batch.beside === undefined && this.#deep)
      return (await run({ ...batch, eightBit, reuse: 'take' }, { deep: this.#deep })).prediction;
    const { prediction, deep } = await run({ ...batch, eightBit, reuse: 'keep' }, {});
    this.#deep = deep ?? null;
    return prediction;
  }
}
