/** @file AutoencoderKL (arXiv 2112.10752), under diffusers' parameter names. Pictures are [B,3,H,W] in [-1,1]. */
import { at } from '../../core/at.ts';
import * as op from '../graph/ops.ts';
import { sideOf, sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { conv, groupNorm, linear, resnet } from './layers.ts';
import type { VaeConfig } from './model-configs.ts';
import type { Parameters } from './parameters.ts';

/** A diagonal normal distribution over latents [B,C,H/f,W/f]; C is the config's latent_channels. */
export interface Posterior {
  readonly mean: Tensor;
  /** Not clamped; diffusers clamps it to [-30, 20] before use. */
  readonly logvar: Tensor;
}

const EPS = 1e-6;
const pointwise = { kernel: 1, padding: 0 };

/** Pictures to the distribution of their latents, not scaled. */
export function vaeEncoder(config: VaeConfig, p: Parameters, pictures: Tensor): Posterior {
  const channels = config.block_out_channels;
  const norm = { groups: config.norm_num_groups, eps: EPS };
  let x = conv(p, 'encoder.conv_in', pictures, at(channels, 0));
  channels.forEach((width, level) => {
    const path = `encoder.down_blocks.${level}`;
    for (let layer = 0; layer < config.layers_per_block; layer++)
      x = resnet(p, `${path}.resnets.${layer}`, x, width, norm);
    // One row and column of zeros, at the bottom and right only.
    if (level < channels.length - 1) {
      x = conv(p, `${path}.downsamplers.0.conv`, x, width, { stride: 2, padding: [0, 0, 1, 1] });
    }
  });
  x = middle(config, p, 'encoder.mid_block', x);
  x = op.silu(groupNorm(p, 'encoder.conv_norm_out', x, norm.groups, EPS));
  const latents = config.latent_channels;
  x = conv(p, 'encoder.conv_out', x, 2 * latents);
  if (config.use_quant_conv) x = conv(p, 'quant_conv', x, 2 * latents, pointwise);
  return { mean: op.slice(x, 1, 0, latents), logvar: op.slice(x, 1, latents, 2 * latents) };
}

/** Latents (not scaled) to pictures. */
export function vaeDecoder(config: VaeConfig, p: Parameters, latents: Tensor): Tensor {
  const channels = [...config.block_out_channels].reverse();
  const norm = { groups: config.norm_num_groups, eps: EPS };
  let x = config.use_post_quant_conv
    ? conv(p, 'post_quant_conv', latents, config.latent_channels, pointwise)
    : latents;
  x = conv(p, 'decoder.conv_in', x, at(channels, 0));
  x = middle(config, p, 'decoder.mid_block', x);
  channels.forEach((width, level) => {
    const path = `decoder.up_blocks.${level}`;
    for (let layer = 0; layer <= config.layers_per_block; layer++)
      x = resnet(p, `${path}.resnets.${layer}`, x, width, norm);
    if (level < channels.length - 1) {
      const [, , height, side] = sidesOf(x, 4);
      x = conv(p, `${path}.upsamplers.0.conv`, op.upsampleNearest(x, height * 2, side * 2), width);
    }
  });
  x = op.silu(groupNorm(p, 'decoder.conv_norm_out', x, norm.groups, EPS));
  return conv(p, 'decoder.conv_out', x, config.out_channels);
}

function middle(config: VaeConfig, p: Parameters, path: string, x: Tensor): Tensor {
  const width = sideOf(x, 1);
  const norm = { groups: config.norm_num_groups, eps: EPS };
  let h = resnet(p, `${path}.resnets.0`, x, width, norm);
  if (config.mid_block_add_attention) h = attentionOverPixels(p, `${path}.attentions.0`, h, norm.groups);
  return resnet(p, `${path}.resnets.1`, h, width, norm);
}

/** One head over all positions, plus x. */
function attentionOverPixels(p: Parameters, path: string, x: Tensor, groups: number): Tensor {
  const [batch, channels, height, width] = sidesOf(x, 4);
  const flat = op.reshape(groupNorm(p, `${path}.group_norm`, x, groups, EPS), [
    batch,
    channels,
    height * width,
  ]);
  const tokens = op.transpose(flat, [0, 2, 1]);
  const q = linear(p, `${path}.to_q`, tokens, channels);
  const k = linear(p, `${path}.to_k`, tokens, channels);
  const v = linear(p, `${path}.to_v`, tokens, channels);
  const y = linear(p, `${path}.to_out.0`, op.attention(q, k, v, 1, channels ** -0.5), channels);
  return op.add(op.reshape(op.transpose(y, [0, 2, 1]), x.shape), x);
}

/** Ratio of picture sides to latent sides: 8 for SD's and SDXL's four levels. */
export const vaeScale = (config: VaeConfig): number => 2 ** (config.block_out_channels.length - 1);
