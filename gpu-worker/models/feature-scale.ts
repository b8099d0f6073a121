/**
 * @file Compares pictures by features of a network: each dimension is standardised over reference pictures, so that a few
 * large ones don't decide the cosine.
 */
import { at } from '../../core/at.ts';

/** Mean and standard deviation of each dimension. */
export interface FeatureScale {
  readonly means: readonly number[];
  readonly deviations: readonly number[];
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** @param rows one per picture */
export function scaleOf(rows: readonly Float32Array[]): FeatureScale {
  const means = Array.from(at(rows, 0), (_, i) => mean(rows.map((row) => at(row, i))));
  const deviations = means.map((middle, i) => Math.sqrt(mean(rows.map((row) => (at(row, i) - middle) ** 2))));
  return { means, deviations };
}

/** Cosine of two pictures' standardised features: 1 for equal ones, around 0 for unrelated ones. */
export function similarity(a: Float32Array, b: Float32Array, { means, deviations }: FeatureScale): number {
  // A constant dimension carries no information.
  const scaled = (row: Float32Array): Float32Array =>
    row.map((value, i) => (at(deviations, i) > 1e-6 ? (value - at(means, i)) / at(deviations, i) : 0));
  return cosine(scaled(a), scaled(b));
}

/** Cosine of the angle between two vectors; 0 if one has zero length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, left, right] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    const other = at(b, i);
    product += value * other;
    left += value ** 2;
    right += other ** 2;
  }
  return left === 0 || right === 0 ? 0 : product / Math.sqrt(left * right);
}
