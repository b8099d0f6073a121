/** @file Losses on pairs of pictures, as graphs. Smaller squared errors of the denoiser stand for larger likelihoods. */
import * as op from '../graph/ops.ts';
import { sideOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { RefineOptions } from './refine-options.ts';

export interface PreferenceTerms {
  /** Weighted mean over the pairs; a scalar. */
  readonly loss: Tensor;
  /** Of each pair [P]: (e_l − e_l^ref) − (e_w − e_w^ref). */
  readonly margins: Tensor;
}

/** Beyond it, exp leaves the range of fp32. */
const MOST = 60;

/** −log σ(z), in a form that 16-bit programs keep in fp32; straight below −60. */
function negativeLogSigmoid(z: Tensor): Tensor {
  const bent = op.log(op.add(1, op.exp(op.neg(op.max(z, -MOST)))));
  return op.sub(bent, op.min(op.add(z, MOST), 0));
}

/**
 * Diffusion-DPO (arXiv 2311.12908, eq. 14): −log σ(β·margin), with errors as means instead of sums, so that β doesn't
 * depend on the size of the pictures. IPO (arXiv 2310.12036, eq. 17) is (margin − 1/(2β))²; it is multiplied by β² here:
 * (β·margin − ½)², so that its gradients and so the photos' weight beside them are of DPO's size.
 *
 * @param errors mean squared error of each row [2P]: winners, then losers
 * @param reference e_w^ref − e_l^ref of each pair [P]
 * @param weights of each pair [P]; the mean is over all pairs, whatever their weight
 */
export function preferenceLoss(
  { preference, beta }: Pick<RefineOptions, 'preference' | 'beta'>,
  errors: Tensor,
  reference: Tensor,
  weights: Tensor,
): PreferenceTerms {
  const pairs = sideOf(reference, 0);
  const part = (from: number): Tensor => op.slice(errors, 0, from, from + pairs);
  const margins = op.sub(reference, op.sub(part(0), part(pairs)));
  const scaled = op.mul(margins, beta);
  const losses = preference === 'dpo' ? negativeLogSigmoid(scaled) : op.square(op.sub(scaled, 0.5));
  return { loss: op.reshape(op.mean(op.mul(losses, weights)), []), margins };
}
