/**
 * @file A test of two adapters that can be looked at after every vote. Each prompt's pair is one trial: p is the chance
 * that members prefer the first adapter. For a fixed p₀, the mixture likelihood ratio
 *
 *   E(p₀) = ∫₀¹ p^w (1−p)^l dp / (p₀^w (1−p₀)^l) = B(1+w, 1+l) / (p₀^w · (1−p₀)^l)
 *
 * is a martingale with mean 1 if p = p₀, so it reaches 1/α at any time with probability at most α (Ville 1939; Robbins
 * 1970). The p₀ that it doesn't reject are a confidence sequence: all its intervals hold p together with probability 1 − α.
 */

/** How often a duel of equal adapters ends with a winner, at most. */
const ALPHA = 0.05;
export interface Verdict {
  /** The share of the first adapter, as a confidence sequence of 1 − `ALPHA`. */
  readonly low: number;
  readonly high: number;
  /** Evidence against equal adapters; at 1/`ALPHA` the duel is decided. */
  readonly evidence: number;
  readonly winner: 'first' | 'second' | null;
}

function logFactorial(n: number): number {
  let sum = 0;
  for (let k = 2; k <= n; k++) sum += Math.log(k);
  return sum;
}

/** ln E(p₀): B(1+w, 1+l) = w!·l! / (w+l+1)!. */
function logEvidence(wins: number, losses: number, p: number): number {
  const mixture = logFactorial(wins) + logFactorial(losses) - logFactorial(wins + losses + 1);
  const at = (count: number, log: number): number => (count === 0 ? 0 : count * log);
  return mixture - at(wins, Math.log(p)) - at(losses, Math.log1p(-p));
}

/**
 * Returns what the trials so far say.
 *
 * @param wins - trials that the first adapter won, a whole number
 * @param losses - trials that the second won
 */
export function verdictOf(wins: number, losses: number): Verdict {
  const evidence = Math.exp(logEvidence(wins, losses, 0.5));
  const low = boundOf(wins, losses, 0);
  const high = boundOf(wins, losses, 1);
  const decided = evidence >= 1 / ALPHA;
  return { low, high, evidence, winner: !decided ? null : wins > losses ? 'first' : 'second' };
}

/** The end of the interval towards `end`: ln E is convex in p₀ with its least value at the share of wins. */
function boundOf(wins: number, losses: number, end: 0 | 1): number {
  if (wins + losses === 0) return end;
  let inside = wins / (wins + losses);
  if (inside === end) return end;
  let outside: number = end;
  for (let halving = 0; halving < 50; halving++) {
    const middle = (inside + outside) / 2;
    if (logEvidence(wins, losses, middle) < Math.log(1 / ALPHA)) inside = middle;
    else outside = middle;
  }
  return outside;
}
