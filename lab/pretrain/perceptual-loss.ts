/**
 * @file Perceptual distance of two pictures: the distance of a network's inner features. After LPIPS (Zhang et al.
 * 2018, arXiv 1801.03924, section 3) without its learned weights.
 */
import { at } from '../../core/at.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { mobileNetMaps } from '../../gpu-worker/models/mobilenet.ts';
import type { Parameters } from '../../gpu-worker/models/parameters.ts';

/** Pictures to feature maps [B,C,h,w], the finest first. */
export type FeatureMaps = (pictures: Tensor) => readonly Tensor[];

/** Blocks of MobileNetV2 whose maps are compared: at 1/2, 1/4 and 1/8 of the input's side. */
const BLOCKS = [1, 3, 5];

/**
 * MobileNetV2's early maps. The judges of docs/evaluation.md use a later block and other networks, so that no
 * autoencoder is trained on a judge's features.
 *
 * @param p the network's parameters
 * @returns maps of pictures [B,3,H,W] in [-1, 1]; sides that are multiples of 8
 */
export const mobileNetFeatureMaps =
  (p: Parameters): FeatureMaps =>
  (pictures) =>
    mobileNetMaps(p, op.mul(op.add(pictures, 1), 0.5), BLOCKS);

/** Sum over the maps of the mean squared distance of the unit vectors at each position; a scalar, at most 4 per map. */
export function perceptualDistance(maps: FeatureMaps, a: Tensor, b: Tensor): Tensor {
  const [left, right] = [maps(a), maps(b)];
  const distances = left.map((map, i) => {
    const difference = op.square(op.sub(unit(map), unit(at(right, i))));
    return op.mean(op.sum(difference, [1]));
  });
  return op.reshape(
    distances.reduce((sum, distance) => op.add(sum, distance)),
    [],
  );
}

/** Normalises each position's feature vector to unit length. */
function unit(map: Tensor): Tensor {
  const length = op.sqrt(op.add(op.sum(op.square(map), [1]), 1e-6));
  return op.div(map, length);
}
