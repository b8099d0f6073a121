/**
 * @file Rotations of a weight's rows by orthogonal blocks, as OFT and BOFT hold them. Arithmetic of LyCORIS
 * `functional/diag_oft.py` and `functional/boft.py`, in double precision.
 */
import { Matrix, solve } from 'ml-matrix';
import { at } from '../../../core/at.ts';

/**
 * The orthogonal matrix (I + Q)(I − Q)⁻¹ of each block, Q being the block minus its transpose.
 *
 * @param blocks square ones of `side`, one after the other
 * @param limit of the norm of all Q together; 0 for none
 */
export function cayley(blocks: Float32Array, side: number, limit: number): Matrix[] {
  const skew = Array.from({ length: blocks.length / (side * side) }, (_, n) => {
    const block = Matrix.from1DArray(side, side, blocks.subarray(n * side * side, (n + 1) * side * side));
    return block.sub(block.transpose());
  });
  const norm = Math.sqrt(skew.reduce((sum, q) => sum + q.norm() ** 2, 0)) + 1e-8;
  const shrink = limit > 0 && norm > limit ? limit / norm : 1;
  return skew.map((q) => {
    const scaled = q.mul(shrink);
    const unit = Matrix.eye(side);
    // Both factors are functions of Q, so their order doesn't matter.
    return solve(Matrix.sub(unit, scaled), Matrix.add(unit, scaled));
  });
}

/** Rows of each block by the block's transpose: row m of block k is Σ_n R[k][n, m] · row n. */
export function rotate(weight: Float32Array, turns: readonly Matrix[], out: number): Float32Array {
  const result = new Float32Array(weight.length);
  const side = out / turns.length;
  for (const [k, turn] of turns.entries())
    mix(weight, result, turn.transpose(), weight.length / out, (row) => k * side + row);
  return result;
}

/**
 * The stages of a butterfly: stage i mixes rows that lie 2^i half blocks apart.
 * @param turns blocks of all stages, out/side for each
 */
export function butterfly(
  weight: Float32Array,
  turns: readonly Matrix[],
  out: number,
  stages: number,
): Float32Array {
  const count = turns.length / stages;
  const side = out / count;
  let rows = weight;
  for (let stage = 0; stage < stages; stage++) {
    const next = new Float32Array(weight.length);
    const far = (2 ** stage * side) / 2;
    // Pairs of rows that are `far` apart come to lie side by side.
    const rowOf = (place: number): number => {
      const [group, inside] = [Math.floor(place / (2 * far)), place % (2 * far)];
      return group * 2 * far + (inside % 2) * far + Math.floor(inside / 2);
    };
    for (let k = 0; k < count; k++)
      mix(rows, next, at(turns, stage * count + k), weight.length / out, (row) => rowOf(k * side + row));
    rows = next;
  }
  return rows;
}

/** Row i of the block becomes Σ_j turn[i, j] · row j; `rowOf` gives a block's rows their places among all. */
function mix(
  from: Float32Array,
  to: Float32Array,
  turn: Matrix,
  columns: number,
  rowOf: (row: number) => number,
): void {
  for (let i = 0; i < turn.rows; i++)
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let j = 0; j < turn.columns; j++) sum += turn.get(i, j) * (from[rowOf(j) * columns + c] ?? 0);
      to[rowOf(i) * columns + c] = sum;
    }
}
