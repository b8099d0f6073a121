/**
 * @file UNets for inpainting (SD 1.5, SD 2 and SDXL inpainting): beside the noisy latents they read the mask and the latents of
 * the picture without its part, 2·C + 1 channels in all, in this order (diffusers' StableDiffusionInpaintPipeline).
 */
import type { UNetConfig, VaeConfig } from './model-configs.ts';

/** Channels that a UNet for inpainting reads, of latents of C channels: 9 for SD's 4. */
export const inpaintingChannels = ({
  latent_channels: channels,
}: Pick<VaeConfig, 'latent_channels'>): number => 2 * channels + 1;

/** Whether a model's UNet is one for inpainting. */
export const isInpainting = ({
  unet,
  vae,
}: {
  readonly unet: { readonly config: UNetConfig };
  readonly vae: { readonly config: VaeConfig };
}): boolean => unet.config.in_channels === inpaintingChannels(vae.config);
