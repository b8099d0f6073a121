/** @file Operators that a device does not have, or gets wrong, in terms of simpler ones. */
import { attentionParts } from './attention-parts.ts';
import type { Dialect } from './dialect.ts';
import * as op from './ops.ts';
import type { Pass } from './passes.ts';
import { sideOf } from './shapes.ts';
import { is, type Tensor } from './tensor.ts';

/** The pass that writes out what the dialect does not have as one operator. */
export const writtenOut = ({ fusedAttention, fusedLayerNorm, attentionPart }: Dialect): Pass => ({
  name: 'written out',
  begin: () => (node) => {
    if (is(node, 'attention') && !fusedAttention) return attention(node, attentionPart);
    if (is(node, 'layerNorm') && !fusedLayerNorm) return layerNorm(node);
    return node;
  },
});

/** softmax(q kᵀ s) v, one part after the other. */
function attention({ inputs, params: { heads, scale } }: Tensor<'attention'>, limit: number): Tensor {
  const [q, k, v] = inputs;
  const all = {
    q: op.splitHeads(op.mul(q, scale), heads),
    k: op.splitHeads(k, heads),
    v: op.splitHeads(v, heads),
  };
  const queries = sideOf(q, 1);
  const part = attentionParts({ batch: sideOf(q, 0), heads, queries, keys: sideOf(k, 1) }, limit);
  const outputs: Tensor[] = [];
  for (let head = 0; head < heads; head += part.heads) {
    const ofHeads = (x: Tensor) => op.slice(x, 1, head, Math.min(heads, head + part.heads));
    const [keys, values] = [op.swap(ofHeads(all.k)), ofHeads(all.v)];
    const rows: Tensor[] = [];
    for (let from = 0; from < queries; from += part.queries) {
      const some = op.slice(ofHeads(all.q), 2, from, Math.min(queries, from + part.queries));
      const before = rows.at(-1) ?? outputs.at(-1);
      const scores = op.matmul(before ? op.after(some, [before]) : some, keys);
      rows.push(op.matmul(op.softmax(scores), values));
    }
    outputs.push(op.concat(rows, 2));
  }
  return op.joinHeads(op.concat(outputs, 1));
}

/** The mean is taken away before squares are summed, so that a large one costs no digits. */
function layerNorm({ inputs: [x, scale, bias], params: { eps } }: Tensor<'layerNorm'>): Tensor {
  const last = [x.shape.length - 1];
  const centred = op.sub(x, op.mean(x, last));
  const deviation = op.sqrt(op.add(op.mean(op.square(centred), last), eps));
  return op.add(op.mul(op.div(centred, deviation), scale), bias);
}
