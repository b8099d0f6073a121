/**
 * @file LoRA (arXiv 2106.09685): W + strength · alpha/rank · up · down on a module's W [out, in], with down [rank, in]
 * and up [out, rank]; for a convolution down is [rank, in, kh, kw]. The paper's rival of the Kronecker adapter.
 */
import { checkRank } from '../../core/settings/check.ts';
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import * as op from '../graph/ops.ts';
import type { Tensor } from '../graph/tensor.ts';
import { FlatLayout, type ParameterShape } from '../models/parameters.ts';
import { KeyedRandom } from '../../core/random.ts';
import { kaiming, type Distribution } from './initial.ts';

export interface LowRankShape {
  readonly rank: number;
  readonly out: number;
  /** Of a convolution without its kernel. */
  readonly in: number;
  /** alpha/rank, or alpha/√rank for rank-stabilised ones. */
  readonly scale: number;
  readonly kernel?: readonly [kh: number, kw: number];
}

export interface LowRankFactors extends LowRankShape {
  /** rank × in·kh·kw */
  readonly down: Float32Array;
  /** out × rank */
  readonly up: Float32Array;
}

/** @throws KronaError RANK_UNFIT when the rank is higher than the narrowest projection allows */
export function lowRankShapes(
  projections: readonly ProjectionShape[],
  rank: number,
  alpha: number,
): ReadonlyMap<string, LowRankShape> {
  checkRank({ rank }, projections);
  return new Map(
    projections.map(({ path, out, in: inputs }) => [path, { rank, out, in: inputs, scale: alpha / rank }]),
  );
}

/** `PATH.down`, `PATH.up` of a module. */
export function lowRankTensors(
  path: string,
  { rank, out, in: inputs, kernel = [1, 1] }: LowRankShape,
): ParameterShape[] {
  return [
    { name: `${path}.down`, shape: [rank, inputs * kernel[0] * kernel[1]] },
    { name: `${path}.up`, shape: [out, rank] },
  ];
}

/**
 * down random and up zero, so that training starts at the model itself: normal with deviation 1/rank as in diffusers'
 * training scripts (PEFT's `gaussian`), or Kaiming's uniform distribution, PEFT's own default.
 */
export function initialLowRank(layout: FlatLayout, seed: number, distribution: Distribution): Float32Array {
  const flat = new Float32Array(layout.length);
  layout.entries.forEach(({ name, shape, offset, size }, index) => {
    if (!name.endsWith('.down')) return;
    const random = new KeyedRandom(seed, 'factors', index);
    const [rank, columns] = shape as [number, number];
    const draw = distribution === 'normal' ? () => random.normal() / rank : () => kaiming(random, columns);
    for (let i = 0; i < size; i++) flat[offset + i] = draw();
  });
  return flat;
}

/** x [...,in] → scale · x downᵀ upᵀ [...,out]. */
export function lowRankLinear(x: Tensor, down: Tensor, up: Tensor, scale: Tensor): Tensor {
  return op.linear(op.linear(x, op.mul(down, scale)), up);
}
