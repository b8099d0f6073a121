/**
 * @file UNet2DConditionModel as SDXL (arXiv 2307.01952) and SD 1.x, 2.x use it, under diffusers' parameter names.
 * B batch, h×w latents, S text tokens, D width of the text states.
 */
import { at } from '../../core/at.ts';
import { GraphError } from '../graph/errors.ts';
import { checkpoint } from '../graph/gradients.ts';
import * as op from '../graph/ops.ts';
import { sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { SelfAttentionHook } from './beside.ts';
import { conv, groupNorm, linear, resnet, sinusoidal } from './layers.ts';
import { unetLevels, unetMiddle, type UNetConfig, type UNetLevel } from './model-configs.ts';
import type { Parameters } from './parameters.ts';
import { transformer } from './unet-attention.ts';

export interface UNetInputs {
  /** [B,C,h,w] */
  readonly latents: Tensor;
  /** [B], float */
  readonly timesteps: Tensor;
  /** [B,S,D] */
  readonly encoderHiddenStates: Tensor;
  /** [B,P], the pooled text; with `text_time` only. */
  readonly textEmbeds?: Tensor;
  /** [B,added_time_ids], numbers about the picture (see `timeIds`); with `text_time` only. */
  readonly timeIds?: Tensor;
  /**
   * [B], the guidance scale less 1, which a UNet with `time_cond_proj_dim` draws by. Without it, the UNet draws as if it had
   * no such layer, as diffusers' does.
   */
  readonly guidance?: Tensor;
}

export interface UNetOptions {
  /** Recompute each resnet and each transformer block in the backward pass instead of keeping its activations. */
  readonly checkpointing?: boolean;
  /**
   * `deep` of a step shortly before: only the first level runs, with this in place of the output of all lower levels
   * (DeepCache, arXiv 2312.00858, section 3.2). docs/speed.md shows the effect on pictures.
   */
  readonly deep?: Tensor;
  /** What self-attention reads beside the picture's own tokens; nothing by default. */
  readonly beside?: SelfAttentionHook;
}

export interface UNetOutputs {
  /** Noise or velocity, as the model was trained [B,C,h,w]. */
  readonly prediction: Tensor;
  /** The input of the last up block from below [B,C,h,w]; C is the second level's channels. */
  readonly deep: Tensor;
}

/** Only the prediction [B,C,h,w]. */
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
  const blocks = blocksOf(config, p, inputs, options);
  const levels = unetLevels(config);
  const top = at(levels, 0);
  const skips: Tensor[] = [conv(p, 'conv_in', inputs.latents, top.width)];
  let x: Tensor;
  if (options.deep) {
    down(p, blocks, [top], skips);
    x = options.deep;
  } else {
    x = middle(config, blocks, down(p, blocks, levels, skips));
  }
  const last = up(p, blocks, options.deep ? [top] : levels, x, skips);
  const normed = op.silu(groupNorm(p, 'conv_norm_out', last.x, config.norm_num_groups, config.norm_eps));
  return { prediction: conv(p, 'conv_out', normed, config.out_channels), deep: last.deep };
}

/** The blocks of every level. */
interface Blocks {
  readonly resnet: (path: string, x: Tensor, out: number) => Tensor;
  readonly attention: (path: string, x: Tensor, heads: number, transformers: number) => Tensor;
}

function blocksOf(config: UNetConfig, p: Parameters, inputs: UNetInputs, options: UNetOptions): Blocks {
  const block = options.checkpointing ? checkpoint : <T>(build: () => T): T => build();
  const time = op.silu(timeEmbedding(config, p, inputs)); // [B, 4·first width]
  const norm = { groups: config.norm_num_groups, eps: config.norm_eps, time };
  return {
    resnet: (path, x, out) => block(() => resnet(p, path, x, out, norm)),
    attention: (path, x, heads, transformers) =>
      transformer(
        config,
        p,
        path,
        x,
        inputs.encoderHiddenStates,
        { heads, transformers },
        block,
        options.beside,
      ),
  };
}

/** The way down through consecutive levels; appends to `skips` the values that the way up reads. */
function down(p: Parameters, blocks: Blocks, levels: readonly UNetLevel[], skips: Tensor[]): Tensor {
  let x = at(skips, -1);
  for (const [n, level] of levels.entries()) {
    const path = `down_blocks.${n}`;
    for (let layer = 0; layer < level.layers; layer++) {
      x = blocks.resnet(`${path}.resnets.${layer}`, x, level.width);
      if (level.attentionsDown)
        x = blocks.attention(`${path}.attentions.${layer}`, x, level.heads, at(level.attentionsDown, layer));
      skips.push(x);
    }
    if (n < levels.length - 1) {
      x = conv(p, `${path}.downsamplers.0.conv`, x, level.width, { stride: 2 });
      skips.push(x);
    }
  }
  return x;
}

/** The mid block, where the model has one. */
function middle(config: UNetConfig, blocks: Blocks, below: Tensor): Tensor {
  const { width, heads } = at(unetLevels(config), -1);
  const { resnets, transformers } = unetMiddle(config);
  if (resnets === 0) return below;
  const x = blocks.resnet('mid_block.resnets.0', below, width);
  if (resnets === 1) return x;
  const attended = blocks.attention('mid_block.attentions.0', x, heads, transformers);
  return blocks.resnet('mid_block.resnets.1', attended, width);
}

/** The way up through the same levels, and the input of the first of them from below. */
function up(p: Parameters, blocks: Blocks, levels: readonly UNetLevel[], below: Tensor, skips: Tensor[]) {
  let [x, deep] = [below, below];
  for (const [n, level] of [...levels.entries()].reverse()) {
    const path = level.pathUp;
    if (n === 0) deep = x;
    for (let layer = 0; layer <= level.layers; layer++) {
      const joined = op.concat([x, ...skips.splice(-1)], 1);
      x = blocks.resnet(`${path}.resnets.${layer}`, joined, level.width);
      if (level.attentionsUp)
        x = blocks.attention(`${path}.attentions.${layer}`, x, level.heads, at(level.attentionsUp, layer));
    }
    if (n > 0) {
      // The next skip's size, which isn't the double if a side was odd on the way down.
      const [, , height, width] = sidesOf(at(skips, -1), 4);
      x = conv(p, `${path}.upsamplers.0.conv`, op.upsampleNearest(x, height, width), level.width);
    }
  }
  return { x, deep };
}

/** The guidance scale as latent consistency models read it (arXiv 2310.04378, appendix F), beside the timestep's waves. */
function guidanceEmbedding(config: UNetConfig, p: Parameters, { guidance }: UNetInputs): Tensor | undefined {
  const { time_cond_proj_dim: width } = config;
  if (width === undefined || guidance === undefined) return undefined;
  const waved = sinusoidal(op.mul(guidance, 1000), width, false, 1);
  return linear(p, 'time_embedding.cond_proj', waved, at(config.block_out_channels, 0), false);
}

/** The timestep and, with `text_time`, the pooled text and the numbers about the picture, as one vector per row. */
function timeEmbedding(config: UNetConfig, p: Parameters, inputs: UNetInputs): Tensor {
  const waved = waves(config, inputs.timesteps, at(config.block_out_channels, 0));
  const guidance = guidanceEmbedding(config, p, inputs);
  const embedded = embed(config, p, 'time_embedding', guidance ? op.add(waved, guidance) : waved);
  return config.addition_embed_type === null
    ? embedded
    : op.add(embedded, pictureEmbedding(config, p, inputs));
}

function pictureEmbedding(config: UNetConfig, p: Parameters, inputs: UNetInputs): Tensor {
  const { textEmbeds, timeIds } = inputs;
  if (!textEmbeds || !timeIds) throw new GraphError('GRAPH_INPUT', 'this UNet takes textEmbeds and timeIds');
  const [batch, count] = sidesOf(timeIds, 2);
  const numbers = waves(config, op.reshape(timeIds, [batch * count]), config.addition_time_embed_dim);
  const flat = op.reshape(numbers, [batch, count * config.addition_time_embed_dim]);
  return embed(config, p, 'add_embedding', op.concat([textEmbeds, flat], 1));
}

const waves = (config: UNetConfig, x: Tensor, width: number): Tensor =>
  sinusoidal(x, width, config.flip_sin_to_cos, config.freq_shift);

/** Two layers to the width that every resnet reads: 4 × the first block's channels. */
function embed(config: UNetConfig, p: Parameters, path: string, x: Tensor): Tensor {
  const width = at(config.block_out_channels, 0) * 4;
  return linear(p, `${path}.linear_2`, op.silu(linear(p, `${path}.linear_1`, x, width)), width);
}

/** The inputs for a batch of latents h×w with S text tokens, under the names for feeding them. */
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
    ...(config.time_cond_proj_dim === undefined ? {} : { guidance: op.input('guidance', [batch]) }),
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
