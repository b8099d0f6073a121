/**
 * @file UNet2DConditionModel as SDXL (arXiv 2307.01952) and SD 1.x, 2.x use it, under diffusers' parameter names.
 * B batch, h×w latents, S text tokens, D width of the text states.
 */
import { checkpoint } from '../graph/gradients.ts';
import * as op from '../graph/ops.ts';
import type { Tensor } from '../graph/tensor.ts';
import { conv, groupNorm, linear, resnet, sinusoidal } from './layers.ts';
import type { UNetConfig } from './model-configs.ts';
import type { Parameters } from './parameters.ts';
import { transformer } from './unet-attention.ts';

export interface UNetInputs {
  /** [B,4,h,w] */
  readonly latents: Tensor;
  /** [B], float */
  readonly timesteps: Tensor;
  /** [B,S,D] */
  readonly encoderHiddenStates: Tensor;
  /** [B,P], the pooled text; with `text_time` only. */
  readonly textEmbeds?: Tensor;
  /** [B,added_time_ids], what the picture is like (see `timeIds`); with `text_time` only. */
  readonly timeIds?: Tensor;
}

export interface UNetOptions {
  /** Recompute each resnet and each transformer block in the backward pass instead of keeping its activations. */
  readonly checkpointing?: boolean;
  /**
   * `deep` of a step shortly before: only the first level runs, and takes this for what all levels below it would give
   * (DeepCache, arXiv 2312.00858, section 3.2). What it costs in pictures is in docs/speed.md.
   */
  readonly deep?: Tensor;
}

export interface UNetOutputs {
  /** Noise or velocity, as the model was trained [B,4,h,w]. */
  readonly prediction: Tensor;
  /** What the last up block is given from below [B,C,h,w], C the second level's channels. */
  readonly deep: Tensor;
}

/** The prediction alone [B,4,h,w]. */
export function unet(
  config: UNetConfig,
  p: Parameters,
  inputs: UNetInputs,
  options: UNetOptions = {},
): Tensor {
  return unetOutputs(config, p, inputs, options).prediction;
}

export function unetOutputs(
  config: UNetConfig,
  p: Parameters,
  inputs: UNetInputs,
  options: UNetOptions = {},
): UNetOutputs {
  const channels = config.block_out_channels;
  const last = channels.length - 1;
  const lowest = options.deep ? 0 : last;
  const norm = { groups: config.norm_num_groups, eps: config.norm_eps };
  const text = inputs.encoderHiddenStates;
  const block = options.checkpointing ? checkpoint : <T>(build: () => T): T => build();

  // 1. time
  const time = op.silu(timeEmbedding(config, p, inputs)); // [B, 4·channels[0]]

  const resnetBlock = (path: string, x: Tensor, out: number): Tensor =>
    block(() => resnet(p, path, x, out, { ...norm, time }));
  const attentionBlock = (path: string, x: Tensor, level: number): Tensor =>
    transformer(config, p, path, x, text, level, block);

  // 2. in
  let x = conv(p, 'conv_in', inputs.latents, channels[0]!);
  const skips = [x];

  // 3. down
  config.down_block_types.slice(0, lowest + 1).forEach((type, level) => {
    const path = `down_blocks.${level}`;
    for (let layer = 0; layer < config.layers_per_block[level]!; layer++) {
      x = resnetBlock(`${path}.resnets.${layer}`, x, channels[level]!);
      if (type === 'CrossAttnDownBlock2D') x = attentionBlock(`${path}.attentions.${layer}`, x, level);
      skips.push(x);
    }
    if (level < lowest) {
      x = conv(p, `${path}.downsamplers.0.conv`, x, channels[level]!, { stride: 2 });
      skips.push(x);
    }
  });

  // 4. middle
  if (options.deep) x = options.deep;
  else {
    x = resnetBlock('mid_block.resnets.0', x, channels[last]!);
    x = attentionBlock('mid_block.attentions.0', x, last);
    x = resnetBlock('mid_block.resnets.1', x, channels[last]!);
  }

  // 5. up
  let deep = x;
  config.up_block_types.forEach((type, i) => {
    const path = `up_blocks.${i}`;
    const level = last - i;
    if (level > lowest) return;
    if (level === 0) deep = x;
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
  return { prediction: conv(p, 'conv_out', x, config.out_channels), deep };
}

/** The timestep, and with `text_time` the pooled text and the numbers about the picture, as one vector a row. */
function timeEmbedding(config: UNetConfig, p: Parameters, inputs: UNetInputs): Tensor {
  const time = waves(config, inputs.timesteps, config.block_out_channels[0]!);
  const embedded = embed(config, p, 'time_embedding', time);
  return config.addition_embed_type === null ? embedded : op.add(embedded, pictureEmbedding(config, p, inputs));
}

function pictureEmbedding(config: UNetConfig, p: Parameters, inputs: UNetInputs): Tensor {
  const { textEmbeds, timeIds } = inputs as Required<UNetInputs>;
  const [batch, count] = timeIds.shape as [number, number];
  const numbers = waves(config, op.reshape(timeIds, [batch * count]), config.addition_time_embed_dim);
  const flat = op.reshape(numbers, [batch, count * config.addition_time_embed_dim]);
  return embed(config, p, 'add_embedding', op.concat([textEmbeds, flat], 1));
}

const waves = (config: UNetConfig, x: Tensor, width: number): Tensor =>
  sinusoidal(x, width, config.flip_sin_to_cos, config.freq_shift);

/** Two layers to the width that every resnet reads: 4 × the first block's channels. */
function embed(config: UNetConfig, p: Parameters, path: string, x: Tensor): Tensor {
  const width = config.block_out_channels[0]! * 4;
  return linear(p, `${path}.linear_2`, op.silu(linear(p, `${path}.linear_1`, x, width)), width);
}

/** The inputs for a batch of latents h×w with S text tokens, under the names that callers feed. */
export function unetInputs(
  config: UNetConfig,
  batch: number,
  height: number,
  width: number,
  tokens: number,
): UNetInputs {
  const inputs = {
    latents: op.input('latents', [batch, config.in_channels, height, width]),
    timesteps: op.input('timesteps', [batch]),
    encoderHiddenStates: op.input('encoder_hidden_states', [batch, tokens, config.cross_attention_dim]),
  };
  if (config.addition_embed_type === null) return inputs;
  const ids = config.added_time_ids;
  const pooled = config.projection_class_embeddings_input_dim - ids * config.addition_time_embed_dim;
  return {
    ...inputs,
    textEmbeds: op.input('text_embeds', [batch, pooled]),
    timeIds: op.input('time_ids', [batch, ids]),
  };
}
