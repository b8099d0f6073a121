/** @file The Fréchet distance between two sets of pictures in a network's features (Heusel et al. 2017, arXiv 1706.08500). */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/**
 * ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) of the Gaussians that have the sets' means and covariances: 0 for equal sets. It
 * falls with the number of pictures, so compare only sets of the same size.
 *
 * @param a one row per picture, at least two, all of the same length
 */
export function frechetDistance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  const [first, second] = [gaussianOf(a), gaussianOf(b)];
  const apart = Matrix.sub(first.mean, second.mean).norm() ** 2;
  // tr (Σ₁Σ₂)^½ = tr (Σ₁^½ Σ₂ Σ₁^½)^½, which is symmetric.
  const root = squareRoot(first.covariance);
  const product = root.mmul(second.covariance).mmul(root);
  const shared = eigenvalues(product).reduce((sum, value) => sum + Math.sqrt(value), 0);
  return Math.max(0, apart + first.covariance.trace() + second.covariance.trace() - 2 * shared);
}

function gaussianOf(rows: readonly Float32Array[]): { mean: Matrix; covariance: Matrix } {
  const values = new Matrix(rows.map((row) => [...row]));
  const mean = Matrix.rowVector(values.mean('column'));
  const centred = values.subRowVector(mean);
  return {
    mean,
    covariance: centred
      .transpose()
      .mmul(centred)
      .div(rows.length - 1),
  };
}

/** Rounding can make the eigenvalues of a covariance a little negative. */
const positive = (value: number): number => Math.max(0, value);

const symmetric = (matrix: Matrix): EigenvalueDecomposition =>
  new EigenvalueDecomposition(Matrix.add(matrix, matrix.transpose()).div(2), { assumeSymmetric: true });

function eigenvalues(matrix: Matrix): number[] {
  return symmetric(matrix).realEigenvalues.map(positive);
}

function squareRoot(matrix: Matrix): Matrix {
  const { realEigenvalues, eigenvectorMatrix: vectors } = symmetric(matrix);
  const roots = Matrix.diag(realEigenvalues.map((value) => Math.sqrt(positive(value))));
  return vectors.mmul(roots).mmul(vectors.transpose());
}
