/**
 * @file What vision transformers consist of (arXiv 2010.11929): patches as tokens, position embeddings for any size, and
 * blocks that normalise first. B pictures of N patches, D wide.
 */
import * as op from '../../graph/ops.ts';
import { sideOf, sidesOf } from '../../graph/shapes.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { layerNorm, linear } from '../layers.ts';
import type { Parameters } from '../parameters.ts';
import type { Activation, VisionConfig } from './vision-configs.ts';

export const activation: Readonly<Record<Activation, (x: Tensor) => Tensor>> = {
  gelu: op.gelu,
  quick_gelu: op.quickGelu,
  relu: (x) => op.max(x, 0),
  silu: op.silu,
};

/**
 * The class token, then one token a patch, each with its position's embedding.
 *
 * @param pixels [B,3,H,W]; incomplete patches at the right and bottom are cut off
 * @param path of the convolution that reads patches
 * @param first the class token, D numbers
 * @param positions 1 + (image_size / patch_size)² rows of D numbers
 * @returns [B,1+N,D]
 */
export function embedPatches(
  config: VisionConfig,
  p: Parameters,
  pixels: Tensor,
  parts: {
    readonly path: string;
    readonly bias: boolean;
    readonly first: Tensor;
    readonly positions: Tensor;
  },
): Tensor {
  const { hidden_size: width, patch_size: patch } = config;
  const weight = p.tensor(`${parts.path}.weight`, [width, 3, patch, patch]);
  const bias = parts.bias ? p.tensor(`${parts.path}.bias`, [width]) : undefined;
  const map = op.conv2d(pixels, weight, bias, patch);
  const [batch, , rows, columns] = sidesOf(map, 4);
  const tokens = op.swap(op.reshape(map, [batch, width, rows * columns]));
  const first = op.broadcast(op.reshape(parts.first, [1, 1, width]), [batch, 1, width]);
  const stored = Math.floor(config.image_size / patch);
  return op.add(
    op.concat([first, tokens], 1),
    positionsFor(op.reshape(parts.positions, [1 + stored * stored, width]), stored, rows, columns),
  );
}

/** Rows of the position embeddings in `config`: the class token's, and one a patch of a square picture. */
export const positionRows = ({ image_size, patch_size }: VisionConfig): number =>
  1 + Math.floor(image_size / patch_size) ** 2;

/**
 * Position embeddings [1+S²,D] of S×S patches, for `rows`×`columns` patches [1+rows·columns,D]: interpolated as torch's
 * bicubic interpolate does (align_corners=False, no antialiasing). The class token's stays.
 */
function positionsFor(table: Tensor, stored: number, rows: number, columns: number): Tensor {
  if (rows === stored && columns === stored) return table;
  const width = sideOf(table, 1);
  const patches = op.reshape(op.swap(op.slice(table, 0, 1, 1 + stored * stored)), [width, stored, stored]);
  const along = (to: number): Tensor => op.constant(cubicMatrix(stored, to), [to, stored]);
  const resized = op.matmul(op.matmul(along(rows), patches), op.swap(along(columns)));
  return op.concat([op.slice(table, 0, 0, 1), op.swap(op.reshape(resized, [width, rows * columns]))], 0);
}

/** torch's cubic convolution has a = −0.75 (PIL's −0.5). */
const CUBIC = -0.75;
const near = (x: number): number => ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
const far = (x: number): number => ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC;

/** The matrix [to, from] that interpolates `from` samples at `to` places; samples beyond the ends repeat the last. */
function cubicMatrix(from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let row = 0; row < to; row++) {
    const place = ((row + 0.5) * from) / to - 0.5;
    const base = Math.floor(place);
    const t = place - base;
    [far(t + 1), near(t), near(1 - t), far(2 - t)].forEach((weight, i) => {
      const column = Math.min(from - 1, Math.max(0, base - 1 + i));
      matrix[row * from + column] = (matrix[row * from + column] ?? 0) + weight;
    });
  }
  return matrix;
}

/** Where a block's parts are: module paths. */
export interface BlockPaths {
  readonly norm1: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly out: string;
  readonly norm2: string;
  /** Layer scales after attention and after the feed-forward part, which DINOv2 has. */
  readonly scales?: readonly [string, string];
}

/** x + attention(norm1(x)), then that + feedForward(norm2(that)); [B,1+N,D]. */
export function block(
  config: VisionConfig,
  p: Parameters,
  x: Tensor,
  paths: BlockPaths,
  { feedForward, bias = true }: { readonly feedForward: (x: Tensor) => Tensor; readonly bias?: boolean },
): Tensor {
  const { hidden_size: width, num_attention_heads: heads, layer_norm_eps: eps } = config;
  const scaled = (y: Tensor, which: 0 | 1): Tensor =>
    paths.scales === undefined ? y : op.mul(y, p.tensor(paths.scales[which], [width]));
  const normal = layerNorm(p, paths.norm1, x, eps);
  const [q, k, v] = [
    linear(p, paths.query, normal, width, bias),
    linear(p, paths.key, normal, width, bias),
    linear(p, paths.value, normal, width, bias),
  ];
  const read = linear(p, paths.out, op.attention(q, k, v, heads, (width / heads) ** -0.5), width);
  const attended = op.add(x, scaled(read, 0));
  return op.add(attended, scaled(feedForward(layerNorm(p, paths.norm2, attended, eps)), 1));
}

/** The class token's state [B,D] of [B,1+N,D]. */
export function classToken(x: Tensor): Tensor {
  const [batch, , width] = sidesOf(x, 3);
  return op.reshape(op.slice(x, 1, 0, 1), [batch, width]);
}
