/** @file The Wilson score interval (Wilson 1927) for a share of votes. */

/** 97.5% quantile of the normal distribution, for a two-sided interval of 95%. */
const Z = 1.959964;

/**
 * Returns the 95% confidence interval of a share. With weighted votes, both counts can be fractions.
 *
 * @param positive - votes for, at most `total`
 * @param total - all votes; with 0 the interval is [0, 1]
 */
export function wilsonInterval(positive: number, total: number): { low: number; high: number } {
  if (total <= 0) return { low: 0, high: 1 };
  const share = positive / total;
  const centre = share + Z ** 2 / (2 * total);
  const spread = Z * Math.sqrt((share * (1 - share)) / total + Z ** 2 / (4 * total ** 2));
  const scale = 1 + Z ** 2 / total;
  return { low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) };
}
