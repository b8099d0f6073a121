/** @file Checks that a model's parts fit each other: the widths at which they meet. */
import { KronaError } from '../../core/errors.ts';
import { ARCHITECTURES, type Architecture } from './architecture.ts';
import { inpaintingChannels } from './inpainting.ts';
import type { ClipTextConfig, UNetConfig, VaeConfig } from './model-configs.ts';

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED */
export function checkFit(
  architecture: Architecture,
  text: readonly ClipTextConfig[],
  unet: UNetConfig,
  vae: VaeConfig,
): void {
  const { label, timeIds } = ARCHITECTURES[architecture];
  const wanted = timeIds === 0 ? null : 'text_time';
  if (unet.addition_embed_type !== wanted)
    throw new KronaError(
      'MODEL_CONFIG_UNSUPPORTED',
      `unet/config.json: "addition_embed_type" is ${JSON.stringify(unet.addition_embed_type)}; ` +
        `${label} needs ${JSON.stringify(wanted)}.`,
    );
  mustEqual(
    "unet's cross_attention_dim (the text encoders' hidden_size together)",
    unet.cross_attention_dim,
    text.reduce((sum, { hidden_size }) => sum + hidden_size, 0),
  );
  if (wanted !== null)
    mustEqual(
      `unet's projection_class_embeddings_input_dim (text_encoder_2's projection_dim + ${timeIds} × addition_time_embed_dim)`,
      unet.projection_class_embeddings_input_dim,
      (text.at(-1)?.projection_dim ?? 0) + timeIds * unet.addition_time_embed_dim,
    );
  // Depth-guided UNets read 5 channels.
  if (unet.in_channels !== inpaintingChannels(vae))
    mustEqual("unet's in_channels (the VAE's latent_channels)", unet.in_channels, vae.latent_channels);
  mustEqual("unet's out_channels (the VAE's latent_channels)", unet.out_channels, vae.latent_channels);
}

function mustEqual(what: string, found: number, expected: number): void {
  if (found !== expected)
    throw new KronaError(
      'MODEL_CONFIG_INVALID',
      `The parts do not fit: ${what} is ${found}, expected ${expected}. Take all parts from one model` +
        (what.includes('in_channels')
          ? '; UNets for inpainting (9 channels) are supported too, those for depth (5) are not.'
          : '.'),
    );
}
