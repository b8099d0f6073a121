/** @file Means, spreads and bootstrap intervals, and what an interval says about a claim. */
import { KeyedRandom } from '../random.ts';

export interface Interval {
  readonly estimate: number;
  /** 95 % of the resamples lie between these. */
  readonly low: number;
  readonly high: number;
  /** What was resampled. */
  readonly units: number;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample standard deviation (n − 1); 0 for a single value. */
export function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

/** Linear between order statistics, as NumPy's default. @param share 0–1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [below, above] = [Math.floor(at), Math.ceil(at)];
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/**
 * Percentile bootstrap (Efron 1979). Units are drawn with replacement, so what belongs together — all seeds of one
 * subject, both methods of one pair — must be one unit.
 *
 * @param statistic of a sample of units; NaN when there are no units
 */
export function bootstrap<Unit>(
  units: readonly Unit[],
  statistic: (sample: readonly Unit[]) => number,
  { resamples = 4000, seed = 0 }: { resamples?: number; seed?: number } = {},
): Interval {
  if (units.length === 0) return { estimate: NaN, low: NaN, high: NaN, units: 0 };
  const random = new KeyedRandom(seed, 'bootstrap');
  const drawn = Array.from({ length: resamples }, () =>
    statistic(units.map(() => units[random.integer(units.length)]!)),
  );
  return {
    estimate: statistic(units),
    low: quantile(drawn, 0.025),
    high: quantile(drawn, 0.975),
    units: units.length,
  };
}

export type Verdict = 'true' | 'false' | 'undecided';

/** With fewer units an interval is too narrow to be believed: that of a single one has no width. */
const FEWEST_UNITS = 5;

/**
 * Whether a difference is above `-margin`: true when all of its interval is, false when none is. With margin 0 it asks
 * for better, with a positive one for as good within that much.
 */
export function verdictOf({ low, high, units }: Interval, margin = 0): Verdict {
  if (units < FEWEST_UNITS) return 'undecided';
  if (low > -margin) return 'true';
  return high < -margin ? 'false' : 'undecided';
}

/** All parts of a claim must hold; one that fails fails it. */
export function allOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('false')) return 'false';
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === 'true') ? 'true' : 'undecided';
}

/** Cosine of the angle between two vectors; 0 when one has no length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    left += a[i]! ** 2;
    right += b[i]! ** 2;
  }
  return left === 0 || right === 0 ? 0 : product / Math.sqrt(left * right);
}

/** Values of the same key together, in the order in which keys first come. */
export function groupsOf<T>(values: readonly T[], key: (value: T) => unknown): T[][] {
  const groups = new Map<unknown, T[]>();
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value]);
  return [...groups.values()];
}
