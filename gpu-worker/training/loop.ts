/**
 * @file The training loop for adapters and whole models: gradients of several micro-batches, then one optimiser step,
 * until all steps are done.
 */
import { KronaError } from '../../core/errors.ts';
import type { OptimizerState } from './adamw.ts';
import { scaledStep, type LossScale } from './loss-scale.ts';

/** Holds the trained numbers and moves them, such as AdamW. */
export interface Optimizer {
  readonly state: OptimizerState;
  /** Takes one step down `gradient`. Returns the gradient's norm before clipping. */
  step(gradient: Float32Array, learningRate: number): Promise<number>;
  release(): Promise<void>;
}

export interface LoopOptions {
  readonly optimizer: Optimizer;
  /** Total optimiser steps, including those of an earlier attempt. */
  readonly steps: number;
  /** Micro-batches per optimiser step, whose gradients are averaged; 1 by default. */
  readonly accumulation?: number;
  /** Initial scale of the loss (loss-scale.ts); null, the default: the loss isn't scaled. */
  readonly lossScale?: LossScale | null;
  /** Learning rate of optimiser step `step`, from 0. */
  readonly learningRate: (step: number) => number;
  /**
   * Computes micro-batch `n`, from 0, with the optimiser's parameters: writes its gradient and returns its loss.
   *
   * @param lossScale what the loss is multiplied by, where it is scaled
   */
  readonly microBatch: (n: number, gradient: Float32Array, lossScale: number | null) => Promise<number>;
  /** After each optimiser step. */
  readonly onStep: (step: TakenStep) => Promise<void>;
  /** Asked before each step: true ends the run early. */
  readonly isOver?: () => boolean;
  /** Waits before every micro-batch, so that other work gets its turn on the device. */
  readonly turn?: (() => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TakenStep {
  /** Optimiser steps taken so far. */
  readonly step: number;
  /** Mean of the step's micro-batches. */
  readonly loss: number;
  /** Norm before clipping. */
  readonly gradientNorm: number;
  /** Duration, without waiting for its turn. */
  readonly seconds: number;
}

export class TrainingLoop {
  readonly #options: LoopOptions;
  readonly #gradient: Float32Array;
  /** The gradient of one of several micro-batches. */
  #part: Float32Array | undefined;
  #lossScale: LossScale | null;
  /** Time spent waiting for turns, ms. */
  #waited = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#gradient = new Float32Array(options.optimizer.state.parameters.length);
    this.#lossScale = options.lossScale ?? null;
  }

  /** The scale to resume with; null: the loss is not scaled. */
  get lossScale(): LossScale | null {
    return this.#lossScale;
  }

  /**
   * Takes the remaining steps, until `isOver`.
   *
   * @throws KronaError TRAINING_DIVERGED when the loss or the gradient is not finite; what the options' functions
   * throw, and the signal's reason when it aborts: the optimiser then has the state after its last whole step
   */
  async run(): Promise<void> {
    const { optimizer, steps, signal, learningRate, onStep, isOver = () => false } = this.#options;
    let began = performance.now();
    this.#waited = 0;
    while (optimizer.state.step < steps && !isOver()) {
      signal?.throwIfAborted();
      const { step } = optimizer.state;
      const loss = await this.#stepGradient(step);
      const rate = learningRate(step);
      if (!Number.isFinite(loss))
        throw new KronaError(
          'TRAINING_DIVERGED',
          step === 0
            ? `The loss is ${loss} at the first step, before any training. Train with 32-bit numbers, such as on the CPU.`
            : `The loss became ${loss} at step ${step + 1}. Try a learning rate lower than ${rate}.`,
        );
      let gradientNorm = 0;
      const { taken, scale } = await scaledStep(this.#gradient, this.#lossScale, async () => {
        gradientNorm = await optimizer.step(this.#gradient, rate);
      });
      this.#lossScale = scale;
      if (!taken) continue;
      const seconds = (performance.now() - began - this.#waited) / 1000;
      await onStep({ step: step + 1, loss, gradientNorm, seconds });
      began = performance.now();
      this.#waited = 0;
    }
  }

  /** Fills the gradient with the mean of the step's micro-batches and returns their mean loss. */
  async #stepGradient(step: number): Promise<number> {
    const { accumulation = 1, microBatch } = this.#options;
    const scale = this.#lossScale?.scale ?? null;
    const gradient = this.#gradient;
    if (accumulation === 1) {
      await this.#turn();
      return microBatch(step, gradient, scale);
    }
    const part = (this.#part ??= new Float32Array(gradient.length));
    gradient.fill(0);
    let loss = 0;
    for (let n = step * accumulation; n < (step + 1) * accumulation; n++) {
      await this.#turn();
      loss += (await microBatch(n, part, scale)) / accumulation;
      for (let i = 0; i < part.length; i++) gradient[i]! += part[i]! / accumulation;
    }
    return loss;
  }

  async #turn(): Promise<void> {
    const { turn, signal } = this.#options;
    if (!turn) return;
    const asked = performance.now();
    await turn();
    this.#waited += performance.now() - asked;
    signal?.throwIfAborted();
  }
}
