/**
 * @file Self-attention that also reads the tokens of other pictures, each with a weight (FABRIC, arXiv 2307.10159,
 * section 3): softmax(q [k, k'] s + log w) [v, v'].
 */
import * as op from '../graph/ops.ts';
import { sideOf, sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';

/** What a block's self-attention reads beside its own tokens. B batch, M tokens, C width. */
export interface Beside {
  /** [B,M,C], the input of the same block's self-attention for other pictures. */
  readonly tokens: Tensor;
  /** Logarithms of their weights [B,M]; a block's own tokens have 0. */
  readonly logWeights: Tensor;
}

/** Is shown the input [B,N,C] of the self-attention at a path; null: it reads nothing else. */
export type SelfAttentionHook = (path: string, tokens: Tensor) => Beside | null;

/** Keeps the input of every self-attention by its path, for another picture to read. */
export const keepTokens =
  (kept: Map<string, Tensor>): SelfAttentionHook =>
  (path, tokens) => {
    kept.set(path, tokens);
    return null;
  };

/** Name of the input for the tokens that the self-attention at a path reads beside its own. */
export const besideName = (path: string): string => `beside.${path}`;
export const BESIDE_LOG_WEIGHTS = 'beside_log_weights';

/** Inputs for each row's tokens of `pictures` others [B,M,C], and for the logarithms of these pictures' weights [B,pictures]. */
export function besideInputs(batch: number, pictures: number): SelfAttentionHook {
  const logWeights = op.reshape(op.input(BESIDE_LOG_WEIGHTS, [batch, pictures]), [batch, pictures, 1]);
  return (path, own) => {
    const [, length, width] = sidesOf(own, 3);
    const tokens = op.input(besideName(path), [batch, pictures * length, width]);
    const each = op.add(logWeights, op.constant(new Float32Array(length), [1, 1, length]));
    return { tokens, logWeights: op.reshape(each, [batch, pictures * length]) };
  };
}

/** Flash attention takes heads of a multiple of 8. */
const EXTRA = 8;

/**
 * Attention of q [B,N,C] to k and v [B,N+M,C], whose last M keys have weights. The logarithms become a channel of the
 * keys, which a channel of ones in the queries picks up: the fused operator has no weights that need no N×(N+M) values.
 */
export function weightedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  heads: number,
  scale: number,
  logWeights: Tensor,
): Tensor {
  const [batch, queries, width] = sidesOf(q, 3);
  const marked = sideOf(logWeights, 1);
  const own = sideOf(k, 1) - marked;
  const channel = op.constant(
    Float32Array.from({ length: EXTRA }, (_, i) => (i === 0 ? 1 : 0)),
    [1, 1, 1, EXTRA],
  );
  const nothing = op.constant(new Float32Array(EXTRA), [1, 1, 1, EXTRA]);
  // Zeros of the right sides: broadcasting from one channel of each head.
  const zero = (x: Tensor): Tensor => op.mul(op.slice(split(x, heads), 3, 0, 1), 0);
  const withChannels = (x: Tensor, extra: Tensor): Tensor => join(op.concat([split(x, heads), extra], 3));
  const biases = op.concat(
    [op.constant(new Float32Array(batch * own), [batch, own]), op.div(logWeights, scale)],
    1,
  );
  const keyExtra = op.mul(op.add(zero(k), op.reshape(biases, [batch, own + marked, 1, 1])), channel);
  const attended = op.attention(
    withChannels(q, op.add(zero(q), channel)),
    withChannels(k, keyExtra),
    withChannels(v, op.add(zero(v), nothing)),
    heads,
    scale,
  );
  return op.reshape(op.slice(split(attended, heads), 3, 0, width / heads), [batch, queries, width]);
}

/** [B,S,H·D] → [B,S,H,D]. */
function split(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = sidesOf(x, 3);
  return op.reshape(x, [batch, length, heads, width / heads]);
}

/** [B,S,H,D] → [B,S,H·D]. */
function join(x: Tensor): Tensor {
  const [batch, length, heads, width] = sidesOf(x, 4);
  return op.reshape(x, [batch, length, heads * width]);
}
