/**
 * @file The attention blocks of a UNet, under diffusers' parameter names: a transformer over the pixels that also reads
 * the text (arXiv 2112.10752, appendix E.2). B batch, N = h·w pixels, S text tokens, D width of the text states.
 */
import * as op from '../graph/ops.ts';
import { sideOf, sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { weightedAttention, type SelfAttentionHook } from './beside.ts';
import { conv, groupNorm, layerNorm, linear, linearHalves } from './layers.ts';
import type { UNetConfig } from './model-configs.ts';
import type { Parameters } from './parameters.ts';

const ATTENTION_NORM_EPS = 1e-6;
const LAYER_NORM_EPS = 1e-5;
const pointwise = { kernel: 1, padding: 0 };

/**
 * Transformer2DModel: x [B,C,h,w] as h·w tokens through the given number of blocks, plus x. `block` wraps each of them,
 * with the layers before the first and after the last; `beside` says what self-attention reads beside them.
 */
export function transformer(
  config: UNetConfig,
  p: Parameters,
  path: string,
  x: Tensor,
  text: Tensor,
  { heads, transformers }: { readonly heads: number; readonly transformers: number },
  block: <T>(build: () => T) => T,
  beside: SelfAttentionHook = () => null,
): Tensor {
  const around = config.use_linear_projection ? linearProjections : convProjections;
  const { enter, leave } = around(p, path, x);

  const last = transformers - 1;
  let h = x;
  for (let i = 0; i <= last; i++) {
    h = block(() => {
      const tokens =
        i === 0 ? enter(groupNorm(p, `${path}.norm`, x, config.norm_num_groups, ATTENTION_NORM_EPS)) : h;
      const y = transformerBlock(p, `${path}.transformer_blocks.${i}`, tokens, text, heads, beside);
      return i === last ? op.add(leave(y), x) : y;
    });
  }
  return h;
}

/** Conversion of pixels to tokens and of tokens to pixels, each with a projection. */
interface Projections {
  /** [B,C,h,w] → [B,N,C] */
  readonly enter: (x: Tensor) => Tensor;
  /** [B,N,C] → [B,C,h,w] */
  readonly leave: (tokens: Tensor) => Tensor;
}

/** SD 1.x: 1×1 convolutions of the picture. */
function convProjections(p: Parameters, path: string, x: Tensor): Projections {
  const channels = sideOf(x, 1);
  return {
    enter: (y) => toTokens(conv(p, `${path}.proj_in`, y, channels, pointwise)),
    leave: (tokens) => conv(p, `${path}.proj_out`, toPicture(tokens, x), channels, pointwise),
  };
}

/** SD 2.x and SDXL: matrices on the tokens. */
function linearProjections(p: Parameters, path: string, x: Tensor): Projections {
  const channels = sideOf(x, 1);
  return {
    enter: (y) => linear(p, `${path}.proj_in`, toTokens(y), channels),
    leave: (tokens) => toPicture(linear(p, `${path}.proj_out`, tokens, channels), x),
  };
}

function toTokens(x: Tensor): Tensor {
  const [batch, channels, height, width] = sidesOf(x, 4);
  return op.transpose(op.reshape(x, [batch, channels, height * width]), [0, 2, 1]);
}

/** Tokens as a picture of the size of `like`. */
const toPicture = (tokens: Tensor, like: Tensor): Tensor =>
  op.reshape(op.transpose(tokens, [0, 2, 1]), like.shape);

/** BasicTransformerBlock: self-attention, attention to the text, GEGLU; x [B,N,C]. */
function transformerBlock(
  p: Parameters,
  path: string,
  x: Tensor,
  text: Tensor,
  heads: number,
  beside: SelfAttentionHook,
): Tensor {
  const width = sideOf(x, -1);
  const normed = layerNorm(p, `${path}.norm1`, x, LAYER_NORM_EPS);
  const more = beside(`${path}.attn1`, normed);
  const context = more ? op.concat([normed, more.tokens], 1) : normed;
  let h = op.add(x, attend(p, `${path}.attn1`, normed, context, heads, more?.logWeights));
  h = op.add(h, attend(p, `${path}.attn2`, layerNorm(p, `${path}.norm2`, h, LAYER_NORM_EPS), text, heads));
  const [value, gate] = linearHalves(
    p,
    `${path}.ff.net.0.proj`,
    layerNorm(p, `${path}.norm3`, h, LAYER_NORM_EPS),
    width * 8,
  );
  return op.add(h, linear(p, `${path}.ff.net.2`, op.mul(value, op.gelu(gate)), width));
}

/** @param logWeights of the last tokens of the context; all have the same by default */
function attend(
  p: Parameters,
  path: string,
  x: Tensor,
  context: Tensor,
  heads: number,
  logWeights?: Tensor,
): Tensor {
  const width = sideOf(x, -1);
  const scale = (width / heads) ** -0.5;
  const q = linear(p, `${path}.to_q`, x, width, false);
  const k = linear(p, `${path}.to_k`, context, width, false);
  const v = linear(p, `${path}.to_v`, context, width, false);
  const attended = logWeights
    ? weightedAttention(q, k, v, heads, scale, logWeights)
    : op.attention(q, k, v, heads, scale);
  return linear(p, `${path}.to_out.0`, attended, width);
}
