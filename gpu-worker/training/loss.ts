/** @file The diffusion training loss, as a graph. */
import * as op from '../graph/ops.ts';
import { sideOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';

export interface NoisyBatch {
  /** Scaled latents [B,C,h,w], before noise. */
  readonly latents: Tensor;
  /** Standard normal [B,C,h,w]. */
  readonly noise: Tensor;
  /** √ᾱ of each timestep [B]. */
  readonly signal: Tensor;
  /** √(1-ᾱ) of each timestep [B]. */
  readonly sigma: Tensor;
}

export function noisyBatch(batch: number, channels: number, height: number, width: number): NoisyBatch {
  const shape = [batch, channels, height, width];
  return {
    latents: op.input('clean_latents', shape),
    noise: op.input('noise', shape),
    signal: op.input('signal', [batch]),
    sigma: op.input('sigma', [batch]),
  };
}

const spread = (x: Tensor): Tensor => op.reshape(x, [sideOf(x, 0), 1, 1, 1]);

/** x_t = √ᾱ x_0 + √(1-ᾱ) ε (Ho et al. 2020, eq. 4). */
export const addNoise = ({ latents, noise, signal, sigma }: NoisyBatch): Tensor =>
  op.add(op.mul(latents, spread(signal)), op.mul(noise, spread(sigma)));

/**
 * Mean squared error to ε, or to the velocity √ᾱ ε - √(1-ᾱ) x_0 (Salimans & Ho 2022, arXiv 2202.00512).
 *
 * @param weights of the squared errors [B,1,h,w]; the mean is over all positions, whatever their weight
 */
export function denoisingLoss(
  batch: NoisyBatch,
  prediction: Tensor,
  type: 'epsilon' | 'v_prediction',
  weights?: Tensor,
): Tensor {
  const errors = squaredErrors(batch, prediction, type);
  return op.reshape(op.mean(weights ? op.mul(errors, weights) : errors), []);
}

/** Squared errors to the same target [B,C,h,w]. */
function squaredErrors(
  { latents, noise, signal, sigma }: NoisyBatch,
  prediction: Tensor,
  type: 'epsilon' | 'v_prediction',
): Tensor {
  const target =
    type === 'epsilon' ? noise : op.sub(op.mul(noise, spread(signal)), op.mul(latents, spread(sigma)));
  return op.square(op.sub(prediction, target));
}

/** Mean squared error of each row, without weights [B]. */
export function rowErrors(batch: NoisyBatch, prediction: Tensor, type: 'epsilon' | 'v_prediction'): Tensor {
  const errors = squaredErrors(batch, prediction, type);
  return op.reshape(op.mean(errors, [1, 2, 3]), [sideOf(errors, 0)]);
}

/** Rows `from` to `to` of a batch. */
export function rowsOf({ latents, noise, signal, sigma }: NoisyBatch, from: number, to: number): NoisyBatch {
  const rows = (x: Tensor): Tensor => op.slice(x, 0, from, to);
  return { latents: rows(latents), noise: rows(noise), signal: rows(signal), sigma: rows(sigma) };
}
