/**
 * @file Vision towers under transformers' parameter names: CLIP's (arXiv 2103.00020), DINO's (arXiv 2104.14294) and
 * DINOv2's (arXiv 2304.07193). Each reads pixel values [B,3,H,W] and gives one vector a picture.
 */
import * as op from '../../graph/ops.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { layerNorm, linear, linearHalves } from '../layers.ts';
import type { Parameters } from '../parameters.ts';
import type { ClipConfig, Dinov2Config, VitConfig } from './vision-configs.ts';
import { activation, block, classToken, embedPatches, positionRows } from './vision-layers.ts';

/** CLIPModel.get_image_features: the projected class token [B, projection_dim], not normalised. */
export function clipVision(
  { vision: config, projection_dim }: ClipConfig,
  p: Parameters,
  pixels: Tensor,
): Tensor {
  const { hidden_size: width, layer_norm_eps: eps } = config;
  const root = 'vision_model';
  const embeddings = `${root}.embeddings`;
  const tokens = embedPatches(config, p, pixels, {
    path: `${embeddings}.patch_embedding`,
    bias: false,
    first: p.tensor(`${embeddings}.class_embedding`, [width]),
    positions: p.tensor(`${embeddings}.position_embedding.weight`, [positionRows(config), width]),
  });
  // transformers' own spelling.
  let x = layerNorm(p, `${root}.pre_layrnorm`, tokens, eps);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const path = `${root}.encoder.layers.${i}`;
    const attention = `${path}.self_attn`;
    const paths = {
      norm1: `${path}.layer_norm1`,
      query: `${attention}.q_proj`,
      key: `${attention}.k_proj`,
      value: `${attention}.v_proj`,
      out: `${attention}.out_proj`,
      norm2: `${path}.layer_norm2`,
    };
    const feedForward = (h: Tensor): Tensor => {
      const wide = linear(p, `${path}.mlp.fc1`, h, config.intermediate_size);
      return linear(p, `${path}.mlp.fc2`, activation[config.hidden_act](wide), width);
    };
    x = block(config, p, x, paths, { feedForward });
  }
  const pooled = layerNorm(p, `${root}.post_layernorm`, classToken(x), eps);
  return linear(p, 'visual_projection', pooled, projection_dim, false);
}

/** ViTModel: the class token after the final norm [B, hidden_size], which DINO compares; its pooler isn't part of DINO. */
export function vit(config: VitConfig, p: Parameters, pixels: Tensor): Tensor {
  let x = dinoPatches(config, p, pixels);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const path = `encoder.layer.${i}`;
    const paths = {
      ...attentionPaths(path),
      norm1: `${path}.layernorm_before`,
      norm2: `${path}.layernorm_after`,
    };
    const feedForward = (h: Tensor): Tensor => {
      const wide = linear(p, `${path}.intermediate.dense`, h, config.intermediate_size);
      return linear(p, `${path}.output.dense`, activation[config.hidden_act](wide), config.hidden_size);
    };
    x = block(config, p, x, paths, { feedForward, bias: config.qkv_bias });
  }
  return layerNorm(p, 'layernorm', classToken(x), config.layer_norm_eps);
}

/** Dinov2Model: the class token after the final norm [B, hidden_size]. */
export function dinov2(config: Dinov2Config, p: Parameters, pixels: Tensor): Tensor {
  let x = dinoPatches(config, p, pixels);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const path = `encoder.layer.${i}`;
    const paths = {
      ...attentionPaths(path),
      norm1: `${path}.norm1`,
      norm2: `${path}.norm2`,
      scales: [`${path}.layer_scale1.lambda1`, `${path}.layer_scale2.lambda1`] as const,
    };
    const feedForward = (h: Tensor): Tensor => dinov2FeedForward(config, p, `${path}.mlp`, h);
    x = block(config, p, x, paths, { feedForward, bias: config.qkv_bias });
  }
  return layerNorm(p, 'layernorm', classToken(x), config.layer_norm_eps);
}

function dinov2FeedForward(config: Dinov2Config, p: Parameters, path: string, x: Tensor): Tensor {
  const { hidden_size: width } = config;
  const hidden = Math.trunc(width * config.mlp_ratio);
  if (!config.use_swiglu_ffn) {
    const wide = activation[config.hidden_act](linear(p, `${path}.fc1`, x, hidden));
    return linear(p, `${path}.fc2`, wide, width);
  }
  // SwiGLU (arXiv 2002.05202): two thirds of the width, as there are two products, and a multiple of 8.
  const gated = 8 * Math.floor((Math.trunc((hidden * 2) / 3) + 7) / 8);
  const [gate, value] = linearHalves(p, `${path}.weights_in`, x, 2 * gated);
  return linear(p, `${path}.weights_out`, op.mul(op.silu(gate), value), width);
}

function dinoPatches(config: VitConfig | Dinov2Config, p: Parameters, pixels: Tensor): Tensor {
  const { hidden_size: width } = config;
  return embedPatches(config, p, pixels, {
    path: 'embeddings.patch_embeddings.projection',
    bias: true,
    first: p.tensor('embeddings.cls_token', [1, 1, width]),
    positions: p.tensor('embeddings.position_embeddings', [1, positionRows(config), width]),
  });
}

const attentionPaths = (path: string) => ({
  query: `${path}.attention.attention.query`,
  key: `${path}.attention.attention.key`,
  value: `${path}.attention.attention.value`,
  out: `${path}.attention.output.dense`,
});
