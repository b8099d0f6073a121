/**
 * @file MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2) with a head of three dense layers, in Keras' layer
 * names. Batch normalisation is folded into the convolutions' weights and biases.
 */
import * as op from '../graph/ops.ts';
import type { Pads } from '../graph/primitives.ts';
import { sideOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { conv, linear } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** Inverted residual blocks: output channels and stride; all but the first expand sixfold inside. */
const BLOCKS: readonly (readonly [channels: number, stride: 1 | 2])[] = [
  [16, 1],
  ...[24, 24].map((channels, i) => [channels, i === 0 ? 2 : 1] as const),
  ...[32, 32, 32].map((channels, i) => [channels, i === 0 ? 2 : 1] as const),
  ...[64, 64, 64, 64].map((channels, i) => [channels, i === 0 ? 2 : 1] as const),
  ...[96, 96, 96].map((channels) => [channels, 1] as const),
  ...[160, 160, 160].map((channels, i) => [channels, i === 0 ? 2 : 1] as const),
  [320, 1],
];
const WIDENING = 6;
const STEM = 32;
const LAST = 1280;
const HEAD = [256, 128] as const;

/** The block whose expanded activations best distinguish subjects. */
const FEATURE_BLOCK = 13;

const relu = (x: Tensor): Tensor => op.max(x, 0);
const relu6 = (x: Tensor): Tensor => op.min(relu(x), 6);

/** At stride 2, Keras pads only at the bottom and right. */
const padsOf = (stride: 1 | 2): Pads => (stride === 1 ? [1, 1, 1, 1] : [0, 0, 1, 1]);

const pointwise = (p: Parameters, path: string, x: Tensor, out: number): Tensor =>
  conv(p, path, x, out, { kernel: 1, padding: 0 });

function depthwise(p: Parameters, path: string, x: Tensor, stride: 1 | 2): Tensor {
  const channels = sideOf(x, 1);
  const weight = p.tensor(`${path}.weight`, [channels, 1, 3, 3]);
  return op.depthwiseConv2d(x, weight, p.tensor(`${path}.bias`, [channels]), stride, padsOf(stride));
}

/** The stem, then each inverted residual block: its expanded input, and its output. */
function* blocks(
  p: Parameters,
  pictures: Tensor,
): Generator<{ readonly block: number; readonly wide: Tensor; readonly result: Tensor }> {
  let x = relu6(conv(p, 'Conv1', pictures, STEM, { stride: 2, padding: padsOf(2) }));
  for (const [block, [channels, stride]] of BLOCKS.entries()) {
    const path = block === 0 ? 'expanded_conv' : `block_${block}`;
    const wide = block === 0 ? x : relu6(pointwise(p, `${path}_expand`, x, WIDENING * sideOf(x, 1)));
    const y = pointwise(
      p,
      `${path}_project`,
      relu6(depthwise(p, `${path}_depthwise`, wide, stride)),
      channels,
    );
    x = stride === 1 && channels === x.shape[1] ? op.add(x, y) : y;
    yield { block, wide, result: x };
  }
}

/**
 * The expanded activations of the blocks `wanted` (0: the stem's), in their order.
 *
 * @param pictures [B,3,H,W] in [0, 1]; sides that are multiples of 32
 * @returns [B,C,H/f,W/f] each; f is 2 for blocks 0 and 1, 4 for 2 and 3, 8 for 4 to 6, 16 for 7 to 13
 */
export function mobileNetMaps(p: Parameters, pictures: Tensor, wanted: readonly number[]): Tensor[] {
  const maps: Tensor[] = [];
  const last = Math.max(...wanted);
  for (const { block, wide } of blocks(p, pictures)) {
    if (wanted.includes(block)) maps.push(wide);
    if (block === last) break;
  }
  return maps;
}

/**
 * @param pictures [B,3,224,224] in [0, 1]
 * @returns `probabilities` [B,classes]; `features` [B,576], the mean of each channel of block_13_expand_relu
 */
export function mobileNetV2(
  p: Parameters,
  pictures: Tensor,
  classes: number,
): { readonly probabilities: Tensor; readonly features: Tensor } {
  let [x, features] = [pictures, pictures];
  for (const { block, wide, result } of blocks(p, pictures)) {
    if (block === FEATURE_BLOCK)
      features = op.reshape(op.mean(wide, [2, 3]), [sideOf(wide, 0), sideOf(wide, 1)]);
    x = result;
  }
  x = op.mean(relu6(pointwise(p, 'Conv_1', x, LAST)), [2, 3]);
  let h = op.reshape(x, [sideOf(x, 0), LAST]);
  for (const [i, width] of HEAD.entries()) h = relu(linear(p, `dense_${i + 1}`, h, width));
  return { probabilities: op.softmax(linear(p, 'dense_3', h, classes)), features };
}
