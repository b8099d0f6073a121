/**
 * @file A Kronecker product in a graph: applied by products with the factors in turn, or formed (kronecker.ts chooses).
 */
import { at } from '../../../core/at.ts';
import * as op from '../../graph/ops.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import { area, type Kernel } from './form.ts';

/** W [a1·b1, a2·b2] += A ⊗ B with A [a1, a2] and B [b1, b2], both row-major. */
export interface KroneckerSides {
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
  /** Of a convolution [a1·b1, a2·b2, kh, kw], whose kernel is B's. */
  readonly kernel?: Kernel | undefined;
  /** DiffuseKronA's files: row p·a1+i of ΔW is row i·b1+p of A ⊗ B (their forward pass omits a transposition). */
  readonly rowOrder?: 'b-major' | undefined;
}

/**
 * x [...,a2·b2] · (A ⊗ B)ᵀ → [...,a1·b1]: with X the row as [a2, b2], the result is A X Bᵀ read row by row, or column
 * by column for DiffuseKronA's files. Multiplies first by the factor that costs less for these shapes.
 */
export function kroneckerLinear(
  x: Tensor,
  a: Tensor,
  b: Tensor,
  rowOrder?: KroneckerSides['rowOrder'],
): Tensor {
  const [a1, a2] = [at(a.shape, 0), at(a.shape, 1)];
  const [b1, b2] = [at(b.shape, 0), at(b.shape, 1)];
  const rows = sizeOf(x.shape) / (a2 * b2);
  const result = [...x.shape.slice(0, -1), a1 * b1];
  const flatten = (t: Tensor, width: number): Tensor => op.reshape(t, [sizeOf(t.shape) / width, width]);
  if (contractAFirst({ a1, a2, b1, b2 })) {
    const columns = op.transpose(op.reshape(x, [rows, a2, b2]), [0, 2, 1]); // [N,b2,a2]
    const ax = op.reshape(op.matmul(flatten(columns, a2), op.swap(a)), [rows, b2, a1]);
    const axb = op.matmul(flatten(op.transpose(ax, [0, 2, 1]), b2), op.swap(b)); // [N·a1,b1]
    return op.reshape(
      rowOrder === 'b-major' ? op.transpose(op.reshape(axb, [rows, a1, b1]), [0, 2, 1]) : axb,
      result,
    );
  }
  const xb = op.reshape(op.matmul(flatten(x, b2), op.swap(b)), [rows, a2, b1]);
  const columns = op.transpose(xb, [0, 2, 1]); // [N,b1,a2]
  const abx = op.reshape(op.matmul(flatten(columns, a2), op.swap(a)), [rows, b1, a1]);
  return op.reshape(rowOrder === 'b-major' ? abx : op.transpose(abx, [0, 2, 1]), result);
}

/** The same, with `wide` = A ⊗ I [a1·b2, a2·b2] in place of A: nothing is transposed. */
export function kroneckerByWideFactor(x: Tensor, wide: Tensor, b: Tensor): Tensor {
  const [inner, inputs] = [at(wide.shape, 0), at(wide.shape, 1)];
  const [b1, b2] = [at(b.shape, 0), at(b.shape, 1)];
  const rows = sizeOf(x.shape) / inputs;
  const ax = op.matmul(op.reshape(x, [rows, inputs]), op.swap(wide)); // [N, a1·b2]
  const axb = op.matmul(op.reshape(ax, [(rows * inner) / b2, b2]), op.swap(b)); // [N·a1, b1]
  return op.reshape(axb, [...x.shape.slice(0, -1), (inner / b2) * b1]);
}

/**
 * A ⊗ B as [a1·b1, a2·b2·kh·kw]: the outer product of all numbers of A with all of B, put in order. Its gradients are
 * two products of a matrix with a vector.
 */
export function kroneckerProduct(
  { a1, a2, b1, b2, kernel, rowOrder }: KroneckerSides,
  a: Tensor,
  b: Tensor,
): Tensor {
  const columns = b2 * area(kernel);
  const outer = op.matmul(op.reshape(a, [a1 * a2, 1]), op.reshape(b, [1, b1 * columns]));
  const ordered = op.transpose(
    op.reshape(outer, [a1, a2, b1, columns]),
    rowOrder === 'b-major' ? [2, 0, 1, 3] : [0, 2, 1, 3],
  );
  return op.reshape(ordered, [a1 * b1, a2 * columns]);
}

/** Multiplications of a row, plus what the two transpositions move, which costs about eight multiplications a value. */
function contractAFirst({ a1, a2, b1, b2 }: KroneckerSides): boolean {
  const moved = 8;
  const aFirst = a1 * a2 * b2 + a1 * b2 * b1 + moved * (a2 * b2 + a1 * b2);
  const bFirst = a2 * b2 * b1 + a2 * b1 * a1 + moved * (a2 * b1 + a1 * b1);
  return aFirst <= bFirst;
}
