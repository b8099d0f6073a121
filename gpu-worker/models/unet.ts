/**
 * @file UNet2DConditionModel as SDXL (arXiv 2307.01952) and SD 1.x, 2.x use it, under diffusers' parameter names.
 * B batch, h×w latents, S text tokens, D width of the text states.
 */
import { checkpoint } from '../graph/gradients.ts';
import * as op from '../graph/ops.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { conv, groupNorm, layerNorm, linear, resnet, sinusoidal } from './layers.ts';
import type { UNetConfig } from './model-configs.ts';
import type { Parameters } from './parameters.ts';

export interface UNetInputs {
  /** [B,4,h,w] */
  readonly latents: Tensor;
  /** [B], float */
  readonly timesteps: Tensor;
  /** [B,S,D] */
  readonly encoderHiddenStates: Tensor;
  /** [B,P], the pooled text; with `text_time` only. */
  readonly textEmbeds?: Tensor;
  /** [B,6], original height and width, crop top and left, target height and width; with `text_time` only. */
  readonly timeIds?: Tensor;
}

export interface UNetOptions {
  /** Recompute each resnet and each attention in the backward pass instead of keeping its activations. */
  readonly checkpointing?: boolean;
}

const ATTENTION_NORM_EPS = 1e-6;
const LAYER_NORM_EPS = 1e-5;

/** The prediction (noise or velocity, as the model was trained) [B,4,h,w]. */
export function unet(
  config: UNetConfig,
  p: Parameters,
  inputs: UNetInputs,
  options: UNetOptions = {},
): Tensor {
  const channels = config.block_out_channels;
  const norm = { groups: config.norm_num_groups, eps: config.norm_eps };
  const text = inputs.encoderHiddenStates;
  const block = options.checkpointing ? checkpoint : <T>(build: () => T): T => build();

  // 1. time
  const time = op.silu(timeEmbedding(config, p, inputs)); // [B, 4·channels[0]]

  const resnetBlock = (path: string, x: Tensor, out: number): Tensor =>
    block(() => resnet(p, path, x, out, { ...norm, time }));
  const attentionBlock = (path: string, x: Tensor, level: number): Tensor =>
    block(() => transformer(config, p, path, x, text, level));

  // 2. in
  let x = conv(p, 'conv_in', inputs.latents, channels[0]!);
  const skips = [x];

  // 3. down
  config.down_block_types.forEach((type, level) => {
    const path = `down_blocks.${level}`;
    for (let layer = 0; layer < config.layers_per_block[level]!; layer++) {
      x = resnetBlock(`${path}.resnets.${layer}`, x, channels[level]!);
      if (type === 'CrossAttnDownBlock2D') x = attentionBlock(`${path}.attentions.${layer}`, x, level);
      skips.push(x);
    }
    if (level < channels.length - 1) {
      x = conv(p, `${path}.downsamplers.0.conv`, x, channels[level]!, { stride: 2 });
      skips.push(x);
    }
  });

  // 4. middle
  const last = channels.length - 1;
  x = resnetBlock('mid_block.resnets.0', x, channels[last]!);
  x = attentionBlock('mid_block.attentions.0', x, last);
  x = resnetBlock('mid_block.resnets.1', x, channels[last]!);

  // 5. up
  config.up_block_types.forEach((type, i) => {
    const path = `up_blocks.${i}`;
    const level = last - i;
    for (let layer = 0; layer <= config.layers_per_block[level]!; layer++) {
      x = resnetBlock(`${path}.resnets.${layer}`, op.concat([x, skips.pop()!], 1), channels[level]!);
      if (type === 'CrossAttnUpBlock2D') x = attentionBlock(`${path}.attentions.${layer}`, x, level);
    }
    if (i < last) {
      // The next skip's size, which is not the double where a side was odd on the way down.
      const [, , height, width] = skips.at(-1)!.shape as [number, number, number, number];
      x = conv(p, `${path}.upsamplers.0.conv`, op.upsampleNearest(x, height, width), channels[level]!);
    }
  });

  // 6. out
  x = op.silu(groupNorm(p, 'conv_norm_out', x, norm.groups, norm.eps));
  return conv(p, 'conv_out', x, config.out_channels);
}

function timeEmbedding(config: UNetConfig, p: Parameters, inputs: UNetInputs): Tensor {
  const width = config.block_out_channels[0]! * 4;
  const embed = (path: string, x: Tensor): Tensor =>
    linear(p, `${path}.linear_2`, op.silu(linear(p, `${path}.linear_1`, x, width)), width);
  const waves = (x: Tensor, size: number): Tensor =>
    sinusoidal(x, size, config.flip_sin_to_cos, config.freq_shift);
  const time = embed('time_embedding', waves(inputs.timesteps, config.block_out_channels[0]!));
  if (config.addition_embed_type === null) return time;
  const { textEmbeds, timeIds } = inputs as Required<UNetInputs>;
  const batch = timeIds.shape[0]!;
  const sizes = waves(op.reshape(timeIds, [sizeOf(timeIds.shape)]), config.addition_time_embed_dim);
  const added = op.concat([textEmbeds, op.reshape(sizes, [batch, sizeOf(sizes.shape) / batch])], 1);
  return op.add(time, embed('add_embedding', added));
}

/** Transformer2DModel: x [B,C,h,w] as h·w tokens through the blocks, plus x. */
function transformer(
  config: UNetConfig,
  p: Parameters,
  path: string,
  x: Tensor,
  text: Tensor,
  level: number,
): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const heads = config.num_attention_heads[level]!;
  const toTokens = (y: Tensor): Tensor =>
    op.transpose(op.reshape(y, [batch, channels, height * width]), [0, 2, 1]);
  const toImage = (y: Tensor): Tensor =>
    op.reshape(op.transpose(y, [0, 2, 1]), [batch, channels, height, width]);
  const pointwise = { kernel: 1, padding: 0 };

  let h = groupNorm(p, `${path}.norm`, x, config.norm_num_groups, ATTENTION_NORM_EPS);
  h = config.use_linear_projection
    ? linear(p, `${path}.proj_in`, toTokens(h), channels)
    : toTokens(conv(p, `${path}.proj_in`, h, channels, pointwise));
  for (let i = 0; i < config.transformer_layers_per_block[level]!; i++) {
    h = transformerBlock(p, `${path}.transformer_blocks.${i}`, h, text, heads);
  }
  h = config.use_linear_projection
    ? toImage(linear(p, `${path}.proj_out`, h, channels))
    : conv(p, `${path}.proj_out`, toImage(h), channels, pointwise);
  return op.add(h, x);
}

/** BasicTransformerBlock: self-attention, attention to the text, GEGLU; x [B,N,C]. */
function transformerBlock(p: Parameters, path: string, x: Tensor, text: Tensor, heads: number): Tensor {
  const width = x.shape.at(-1)!;
  const normed = layerNorm(p, `${path}.norm1`, x, LAYER_NORM_EPS);
  let h = op.add(x, attend(p, `${path}.attn1`, normed, normed, heads));
  h = op.add(h, attend(p, `${path}.attn2`, layerNorm(p, `${path}.norm2`, h, LAYER_NORM_EPS), text, heads));
  const wide = linear(
    p,
    `${path}.ff.net.0.proj`,
    layerNorm(p, `${path}.norm3`, h, LAYER_NORM_EPS),
    width * 8,
  );
  const gated = op.mul(op.slice(wide, 2, 0, width * 4), op.gelu(op.slice(wide, 2, width * 4, width * 8)));
  return op.add(h, linear(p, `${path}.ff.net.2`, gated, width));
}

function attend(p: Parameters, path: string, x: Tensor, context: Tensor, heads: number): Tensor {
  const width = x.shape.at(-1)!;
  const q = linear(p, `${path}.to_q`, x, width, false);
  const k = linear(p, `${path}.to_k`, context, width, false);
  const v = linear(p, `${path}.to_v`, context, width, false);
  return linear(p, `${path}.to_out.0`, op.attention(q, k, v, heads, (width / heads) ** -0.5), width);
}

/** Shapes of the inputs for a batch of latents h×w with S text tokens: what callers feed. */
export function unetInputs(
  config: UNetConfig,
  batch: number,
  height: number,
  width: number,
  tokens: number,
): Required<UNetInputs> {
  const pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim;
  return {
    latents: op.input('latents', [batch, config.in_channels, height, width]),
    timesteps: op.input('timesteps', [batch]),
    encoderHiddenStates: op.input('encoder_hidden_states', [batch, tokens, config.cross_attention_dim]),
    textEmbeds: op.input('text_embeds', [batch, pooled]),
    timeIds: op.input('time_ids', [batch, 6]),
  };
}
