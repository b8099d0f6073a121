/**
 * @file Lists every parameter that a part with a given config needs, in the order of its forward pass. Nothing is
 * computed.
 */
import * as op from '../graph/ops.ts';
import { clipText } from './clip-text.ts';
import type { ClipTextConfig, UNetConfig, VaeConfig } from './model-configs.ts';
import { parametersOf, type ParameterShape } from './parameters.ts';
import { unet, unetInputs } from './unet.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from './vae.ts';

/** All parameters of a text encoder with this config. */
export function clipParameters(config: ClipTextConfig): ParameterShape[] {
  const length = config.max_position_embeddings;
  const ids = op.input('ids', [1, length], 'int64');
  return parametersOf((p) => clipText(config, p, ids, op.input('ends', [1, length])));
}

/** All parameters of a UNet with this config. */
export function unetParameters(config: UNetConfig): ParameterShape[] {
  // The smallest latents whose sides halve evenly at every level; sizes don't change the parameters.
  const side = 2 ** (config.block_out_channels.length - 1);
  return parametersOf((p) => unet(config, p, unetInputs(config, 1, side, side, 1)));
}

/** All parameters of both halves of a VAE with this config. */
export function vaeParameters(config: VaeConfig): ParameterShape[] {
  const side = vaeScale(config);
  return parametersOf((p) => [
    vaeEncoder(config, p, op.input('pictures', [1, config.in_channels, side, side])),
    vaeDecoder(config, p, op.input('latents', [1, config.latent_channels, 1, 1])),
  ]);
}
