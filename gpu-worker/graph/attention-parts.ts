/** @file How attention is computed a part at a time: whole, softmax(q kᵀ) has queries × keys values for each head. */

interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
}

/**
 * How many heads, and of these how many queries, to compute at once.
 *
 * @param limit - values of softmax(q kᵀ) to hold at once, more only if one query of one head already has more
 */
export function attentionParts(
  { batch, heads, queries, keys }: Sizes,
  limit: number,
): { readonly heads: number; readonly queries: number } {
  const row = batch * keys;
  const together = Math.min(heads, Math.max(1, Math.floor(limit / (row * queries))));
  return { heads: together, queries: Math.min(queries, Math.max(1, Math.floor(limit / (row * together)))) };
}
