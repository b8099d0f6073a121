/**
 * @file A small patch discriminator (Isola et al. 2017, arXiv 1611.07004, section 3.2.2), which distinguishes restored
 * pictures from originals patch by patch, and its losses as latent diffusion's autoencoders use them (arXiv 2112.10752,
 * appendix G).
 */
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { conv, groupNorm } from '../../gpu-worker/models/layers.ts';
import type { Parameters } from '../../gpu-worker/models/parameters.ts';

const WIDTHS = [32, 64, 128];
const GROUPS = 8;
const EPS = 1e-5;
const FOURS = { kernel: 4, padding: 1 };

/** Largest adaptive weight (taming-transformers' `calculate_adaptive_weight`). */
const LARGEST_WEIGHT = 1e4;

/**
 * Pictures [B,3,H,W] in [-1, 1] to logits [B,1,h,w], positive for originals. Two 4×4 convolutions of stride 2 and one
 * of stride 1, leaky ReLUs of 0.2, group norms except in the first layer; each logit sees 34×34 pixels.
 */
export function discriminator(p: Parameters, pictures: Tensor): Tensor {
  let x = pictures;
  WIDTHS.forEach((width, layer) => {
    const stride = layer < WIDTHS.length - 1 ? 2 : 1;
    x = conv(p, `layers.${layer}.conv`, x, width, { ...FOURS, stride });
    if (layer > 0) x = groupNorm(p, `layers.${layer}.norm`, x, GROUPS, EPS);
    x = op.max(x, op.mul(x, 0.2));
  });
  return conv(p, 'conv_out', x, 1, FOURS);
}

/**
 * The discriminator's hinge loss on its logits of originals and of restored pictures: a scalar, 1 for an untrained one.
 */
export function discriminatorLoss(originals: Tensor, restored: Tensor): Tensor {
  const missed = (margin: Tensor): Tensor => op.mean(op.max(op.sub(1, margin), 0));
  return op.reshape(op.mul(0.5, op.add(missed(originals), missed(op.neg(restored)))), []);
}

/**
 * The adaptive weight of the adversarial term: the ratio of both gradients' norms at the last layer's weight, so that
 * neither dominates.
 *
 * @param lossGradient, opinionGradient of the decoder's last weight; the result is a scalar, from 0 to 10,000
 */
export function adaptiveWeight(lossGradient: Tensor, opinionGradient: Tensor): Tensor {
  const ratio = op.div(norm(lossGradient), op.add(norm(opinionGradient), 1e-4));
  return op.stopGradient(op.min(ratio, LARGEST_WEIGHT));
}

const norm = (x: Tensor): Tensor => op.sqrt(op.sumOfSquares(x));

/** The gradient of `loss`, a scalar, by the decoder's last weight, given its gradient by the restored picture. */
export function lastLayerGradient(restored: Tensor, byPicture: Tensor, weight: Tensor): Tensor {
  const through = op.reshape(op.sum(op.mul(restored, op.stopGradient(byPicture))), []);
  return gradients(through, [weight])[0];
}
