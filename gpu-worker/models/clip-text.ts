/**
 * @file CLIP's text encoder (arXiv 2103.00020), under the parameter names of transformers' CLIPTextModel and
 * CLIPTextModelWithProjection. B texts of S tokens.
 */
import * as op from '../graph/ops.ts';
import { sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { layerNorm, linear } from './layers.ts';
import type { ClipTextConfig } from './model-configs.ts';
import type { Parameters } from './parameters.ts';

export interface ClipTextOutputs {
  /** hidden_states[-2] [B,S,D]: before the last layer, not normalised; SDXL's conditioning. */
  readonly penultimate: Tensor;
  /** After the last layer and the final norm [B,S,D]. */
  readonly last: Tensor;
  /** The projected state at the end token [B,P]; null without a projection. */
  readonly pooled: Tensor | null;
}

/** Lower than any attention score, yet finite in every float type. */
const MASKED = -1e9;

/**
 * @param ids int64 [B,S]
 * @param endPositions one-hot [B,S]: the token that is pooled (see `endPositions`)
 */
export function clipText(
  config: ClipTextConfig,
  p: Parameters,
  ids: Tensor,
  endPositions: Tensor,
): ClipTextOutputs {
  const [batch, length] = sidesOf(ids, 2);
  const { hidden_size: width, num_hidden_layers: layers, layer_norm_eps: eps } = config;
  const act = config.hidden_act === 'gelu' ? op.gelu : op.quickGelu;
  const mask = causalMask(length);

  const tokens = p.tensor('text_model.embeddings.token_embedding.weight', [config.vocab_size, width]);
  const positions = p.tensor('text_model.embeddings.position_embedding.weight', [
    config.max_position_embeddings,
    width,
  ]);
  let x = op.add(op.gatherRows(tokens, ids), op.slice(positions, 0, 0, length)); // [B,S,D]
  let penultimate = x;
  for (let i = 0; i < layers; i++) {
    const path = `text_model.encoder.layers.${i}`;
    penultimate = x;
    x = op.add(
      x,
      selfAttention(p, `${path}.self_attn`, layerNorm(p, `${path}.layer_norm1`, x, eps), config, mask),
    );
    const wide = linear(
      p,
      `${path}.mlp.fc1`,
      layerNorm(p, `${path}.layer_norm2`, x, eps),
      config.intermediate_size,
    );
    x = op.add(x, linear(p, `${path}.mlp.fc2`, act(wide), width));
  }
  const last = layerNorm(p, 'text_model.final_layer_norm', x, eps);
  if (config.projection_dim === null) return { penultimate, last, pooled: null };
  const end = op.reshape(op.matmul(op.reshape(endPositions, [batch, 1, length]), last), [batch, width]);
  return { penultimate, last, pooled: linear(p, 'text_projection', end, config.projection_dim, false) };
}

function selfAttention(p: Parameters, path: string, x: Tensor, config: ClipTextConfig, mask: Tensor): Tensor {
  const { hidden_size: width, num_attention_heads: heads } = config;
  const part = (name: 'q' | 'k' | 'v'): Tensor =>
    op.splitHeads(linear(p, `${path}.${name}_proj`, x, width), heads);
  const [q, k, v] = [part('q'), part('k'), part('v')];
  const scores = op.add(op.matmul(op.mul(q, (width / heads) ** -0.5), op.swap(k)), mask); // [B,H,S,S]
  return linear(p, `${path}.out_proj`, op.joinHeads(op.matmul(op.softmax(scores), v)), width);
}

function causalMask(length: number): Tensor {
  const mask = new Float32Array(length * length);
  for (let row = 0; row < length; row++) mask.fill(MASKED, row * length + row + 1, (row + 1) * length);
  return op.constant(mask, [1, 1, length, length]);
}

/**
 * One-hot [texts, S] of the pooled position: the first end token, or, if an old config gives 2 as its id, the highest
 * id, as in transformers.
 */
export function endPositions(config: ClipTextConfig, texts: readonly ArrayLike<number>[]): Float32Array {
  const length = texts[0]?.length ?? 0;
  const positions = new Float32Array(texts.length * length);
  texts.forEach((text, row) => {
    const ids = Array.from(text);
    const wanted = config.eos_token_id === 2 ? Math.max(...ids) : config.eos_token_id;
    // Without an end token, transformers' argmax of all zeros is 0.
    positions[row * length + Math.max(0, ids.indexOf(wanted))] = 1;
  });
  return positions;
}
