/**
 * @file Kronecker products as LoRAs. Exactly: A ⊗ B = (I ⊗ B)(A ⊗ I) = (A ⊗ I)(I ⊗ B), whose factors only copy entries
 * and have rank a1·b2 or a2·b1. Approximately: the singular values of A ⊗ B are all products of A's and B's, so the best
 * LoRA of a rank takes the largest (Van Loan, "The ubiquitous Kronecker product", 2000).
 */
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import type { AsLowRank } from './form.ts';
import type { KroneckerSides } from './kronecker-graph.ts';
import { LowRankLayer } from './low-rank.ts';

interface Factors extends KroneckerSides {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/**
 * The exact LoRA if its rank is at most `rank` (by default ΔW's full rank), else the closest LoRA of `rank`.
 * @returns null if only an approximation is possible and no rank is given
 */
export function asLowRank(layer: Factors, rank?: number): AsLowRank | null {
  const { a1, a2, b1, b } = layer;
  const columns = b.length / b1; // of B, kernel included
  const exact = Math.min(a1 * columns, a2 * b1);
  const possible = exact <= Math.min(a1 * b1, a2 * columns);
  if (possible && (rank === undefined || exact <= rank))
    return { layer: exactLowRank(layer, exact), loss: null };
  return rank === undefined ? null : truncatedLowRank(layer, rank);
}

function exactLowRank(layer: Factors, rank: number): LowRankLayer {
  const { a1, a2, b1, a, b } = layer;
  const columns = b.length / b1;
  const down = new Float32Array(rank * a2 * columns);
  const up = new Float32Array(a1 * b1 * rank);
  const row = rowOf(layer);
  if (rank === a1 * columns) {
    // up = I_a1 ⊗ B, down = A ⊗ I_columns
    for (const [n, value] of b.entries()) {
      const [p, q] = [Math.floor(n / columns), n % columns];
      for (let i = 0; i < a1; i++) up[row(i, p) * rank + i * columns + q] = value;
    }
    for (const [n, value] of a.entries()) {
      const [i, j] = [Math.floor(n / a2), n % a2];
      for (let q = 0; q < columns; q++) down[(i * columns + q) * a2 * columns + j * columns + q] = value;
    }
  } else {
    // up = A ⊗ I_b1, down = I_a2 ⊗ B
    for (const [n, value] of a.entries()) {
      const [i, j] = [Math.floor(n / a2), n % a2];
      for (let p = 0; p < b1; p++) up[row(i, p) * rank + j * b1 + p] = value;
    }
    for (const [n, value] of b.entries()) {
      const [p, q] = [Math.floor(n / columns), n % columns];
      for (let j = 0; j < a2; j++) down[(j * b1 + p) * a2 * columns + j * columns + q] = value;
    }
  }
  return lowRank(layer, rank, down, up);
}

/** The closest LoRA of at most this rank. */
function truncatedLowRank(layer: Factors, most: number): AsLowRank {
  const { a1, a2, b1, a, b } = layer;
  const columns = b.length / b1;
  const left = decompose(a, a1, a2);
  const right = decompose(b, b1, columns);
  const pairs = left.values
    .flatMap((s, m) => right.values.map((t, n) => ({ m, n, value: s * t })))
    .sort((x, y) => y.value - x.value || x.m - y.m || x.n - y.n);
  const rank = Math.min(most, pairs.length);
  const down = new Float32Array(rank * a2 * columns);
  const up = new Float32Array(a1 * b1 * rank);
  const row = rowOf(layer);
  for (const [r, { m, n, value }] of pairs.slice(0, rank).entries()) {
    // Half of the singular value on each side keeps both in the range of half precision.
    const half = Math.sqrt(value);
    for (let i = 0; i < a1; i++)
      for (let p = 0; p < b1; p++) up[row(i, p) * rank + r] = half * left.u.get(i, m) * right.u.get(p, n);
    for (let j = 0; j < a2; j++)
      for (let q = 0; q < columns; q++)
        down[(r * a2 + j) * columns + q] = half * left.v.get(j, m) * right.v.get(q, n);
  }
  const square = (all: readonly { value: number }[]) => all.reduce((sum, { value }) => sum + value ** 2, 0);
  return {
    layer: lowRank(layer, rank, down, up),
    loss: { lost: square(pairs.slice(rank)), whole: square(pairs) },
  };
}

/** The row of ΔW that row i of A and row p of B make. */
function rowOf({ a1, b1, rowOrder }: KroneckerSides): (i: number, p: number) => number {
  return rowOrder === 'b-major' ? (i, p) => p * a1 + i : (i, p) => i * b1 + p;
}

function lowRank(
  { a1, a2, b1, b2, kernel }: KroneckerSides,
  rank: number,
  down: Float32Array,
  up: Float32Array,
): LowRankLayer {
  return new LowRankLayer({ rank, out: a1 * b1, in: a2 * b2, scale: 1, kernel }, down, up);
}

function decompose(values: Float32Array, rows: number, columns: number) {
  const matrix = Matrix.from1DArray(rows, columns, values);
  const svd = new SingularValueDecomposition(matrix, { autoTranspose: true });
  return { u: svd.leftSingularVectors, v: svd.rightSingularVectors, values: svd.diagonal };
}
