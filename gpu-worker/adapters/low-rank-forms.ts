/**
 * @file Kronecker layers as LoRAs. Exactly: A ⊗ B = (I ⊗ B)(A ⊗ I) = (A ⊗ I)(I ⊗ B), whose factors only copy entries and
 * have rank a1·b2 or a2·b1. Approximately: the singular values of A ⊗ B are all products of A's and B's, and so the best
 * LoRA of a rank takes the largest (Van Loan, "The ubiquitous Kronecker product", 2000).
 */
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import type { KroneckerFactors } from './krona.ts';
import type { LowRankFactors } from './lora.ts';

/** The smaller of both exact ranks. */
export function exactRank({ a1, a2, b1, b }: KroneckerFactors): number {
  return Math.min(a1 * (b.length / b1), a2 * b1);
}

/** Whether an exact LoRA has no more than ΔW's full rank. */
export function hasExactForm(layer: KroneckerFactors): boolean {
  const { a1, a2, b1, b } = layer;
  return exactRank(layer) <= Math.min(a1 * b1, (a2 * b.length) / b1);
}

export function exactLowRank(layer: KroneckerFactors): LowRankFactors {
  const { a1, a2, b1, a, b } = layer;
  const columns = b.length / b1; // of B, kernel included
  const rank = exactRank(layer);
  const down = new Float32Array(rank * a2 * columns);
  const up = new Float32Array(a1 * b1 * rank);
  const row = rowOf(layer);
  if (rank === a1 * columns) {
    // up = I_a1 ⊗ B, down = A ⊗ I_columns
    for (let i = 0; i < a1; i++)
      for (let q = 0; q < columns; q++) {
        for (let p = 0; p < b1; p++) up[row(i, p) * rank + i * columns + q] = b[p * columns + q]!;
        for (let j = 0; j < a2; j++)
          down[(i * columns + q) * a2 * columns + j * columns + q] = a[i * a2 + j]!;
      }
  } else {
    // up = A ⊗ I_b1, down = I_a2 ⊗ B
    for (let j = 0; j < a2; j++)
      for (let p = 0; p < b1; p++) {
        for (let i = 0; i < a1; i++) up[row(i, p) * rank + j * b1 + p] = a[i * a2 + j]!;
        for (let q = 0; q < columns; q++)
          down[(j * b1 + p) * a2 * columns + j * columns + q] = b[p * columns + q]!;
      }
  }
  return lowRank(layer, rank, down, up);
}

export interface Truncated {
  readonly layer: LowRankFactors;
  /** Squared Frobenius norms: of what is lost, and of ΔW. */
  readonly lost: number;
  readonly whole: number;
}

/** The best LoRA of at most this rank. */
export function truncatedLowRank(layer: KroneckerFactors, most: number): Truncated {
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
  return { layer: lowRank(layer, rank, down, up), lost: square(pairs.slice(rank)), whole: square(pairs) };
}

/** The row of ΔW that row i of A and row p of B make. */
function rowOf({ a1, b1, rowOrder }: KroneckerFactors): (i: number, p: number) => number {
  return rowOrder === 'b-major' ? (i, p) => p * a1 + i : (i, p) => i * b1 + p;
}

function lowRank(
  { a1, a2, b1, b2, kernel }: KroneckerFactors,
  rank: number,
  down: Float32Array,
  up: Float32Array,
): LowRankFactors {
  return { rank, out: a1 * b1, in: a2 * b2, scale: 1, ...(kernel ? { kernel } : {}), down, up };
}

function decompose(values: Float32Array, rows: number, columns: number) {
  const matrix = Matrix.from1DArray(rows, columns, values);
  const svd = new SingularValueDecomposition(matrix, { autoTranspose: true });
  return { u: svd.leftSingularVectors, v: svd.rightSingularVectors, values: svd.diagonal };
}
