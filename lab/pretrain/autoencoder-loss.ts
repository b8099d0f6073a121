/**
 * @file The autoencoder's loss: errors of the restored picture and of its gradients, and optionally a perceptual
 * distance and the score of a discriminator that is trained in the same steps (arXiv 2112.10752, appendix G).
 */
import { at } from '../../core/at.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { sideOf } from '../../gpu-worker/graph/shapes.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import type { VaeConfig } from '../../gpu-worker/models/model-configs.ts';
import { under, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/models/vae.ts';
import { adaptiveWeight, discriminator, discriminatorLoss, lastLayerGradient } from './discriminator.ts';
import { perceptualDistance, type FeatureMaps } from './perceptual-loss.ts';

export interface AutoencoderInputs {
  /** [B,3,H,W] in [-1, 1]. */
  readonly image: Tensor;
  /** Standard normal noise, [B,latent_channels,H/f,W/f]. */
  readonly noise: Tensor;
}

/** Optional terms beside the errors. */
export interface SharperTerms {
  readonly perceptual?: { readonly maps: FeatureMaps; readonly weight: number };
  /** `weight` of the adversarial term relative to all others, a scalar that can change from step to step. */
  readonly adversarial?: { readonly weight: Tensor };
}

const LAST_WEIGHT = 'decoder.conv_out.weight';
/** Prefix of the discriminator's parameter names. */
export const DISCRIMINATOR = 'discriminator.';

/**
 * Mean absolute and squared error of the picture, absolute error of its gradients (which keeps edges sharp), a weak KL
 * term that pulls the posterior to the standard normal, and the optional terms.
 *
 * @param kl weight of the KL term
 * @returns a scalar with the gradients of all of p's parameters, including the discriminator's if it is used. Its value
 * is the loss without the adversarial term, whose value says nothing: it grows as both sides improve.
 */
export function autoencoderLoss(
  config: VaeConfig,
  p: Parameters,
  { image, noise }: AutoencoderInputs,
  kl: number,
  { perceptual, adversarial }: SharperTerms = {},
): Tensor {
  const { mean, logvar } = vaeEncoder(config, p, image);
  const latents = op.add(mean, op.mul(op.exp(op.mul(0.5, logvar)), noise));
  const restored = vaeDecoder(config, p, latents);
  const pull = op.mul(kl, op.mean(op.sub(op.add(op.square(mean), op.exp(logvar)), op.add(1, logvar))));
  const errors = pictureErrors(op.sub(restored, image));
  const seen = op.reshape(
    perceptual
      ? op.add(errors, op.mul(perceptual.weight, perceptualDistance(perceptual.maps, restored, image)))
      : errors,
    [],
  );
  const loss = op.add(seen, op.reshape(pull, []));
  if (!adversarial) return loss;

  const judge = under(DISCRIMINATOR, p);
  const opinion = op.neg(op.reshape(op.mean(discriminator(judge, restored)), []));
  const [lossByPicture] = gradients(seen, [restored]);
  const [opinionByPicture] = gradients(opinion, [restored]);
  const weight = p.tensor(LAST_WEIGHT, [config.out_channels, at(config.block_out_channels, 0), 3, 3]);
  const balance = adaptiveWeight(
    lastLayerGradient(restored, lossByPicture, weight),
    lastLayerGradient(restored, opinionByPicture, weight),
  );
  // Linear in the picture, with the adversarial gradient as its slope: the discriminator gets none of it.
  const direction = op.stopGradient(op.mul(op.mul(adversarial.weight, balance), opinionByPicture));
  const pushed = op.reshape(op.sum(op.mul(restored, direction)), []);
  const fooled = discriminatorLoss(
    discriminator(judge, image),
    discriminator(judge, op.stopGradient(restored)),
  );
  return op.add(loss, withoutValue(op.add(pushed, fooled)));
}

/** Zero, with the gradient of x. */
const withoutValue = (x: Tensor): Tensor => op.sub(x, op.stopGradient(x));

/** Mean absolute and squared error, and the mean absolute error of gradients along both axes; a scalar. */
function pictureErrors(error: Tensor): Tensor {
  const slope = (axis: number): Tensor => {
    const length = sideOf(error, axis);
    return op.mean(op.abs(op.sub(op.slice(error, axis, 1, length), op.slice(error, axis, 0, length - 1))));
  };
  const restored = op.add(op.mean(op.abs(error)), op.mean(op.square(error)));
  return op.add(restored, op.add(slope(2), slope(3)));
}
