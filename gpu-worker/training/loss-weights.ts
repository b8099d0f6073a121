/** @file Loss weights of examples and of their positions. */

/**
 * Min-SNR weight of an example (Hang et al. 2023, arXiv 2303.09556, eq. 8 and section 3.4; diffusers' `snr_gamma`): at
 * low noise the weight of the clean sample's error is capped at γ, so that near-clean timesteps don't dominate:
 * min(SNR, γ)/SNR for ε, min(SNR, γ)/(SNR + 1) for v.
 *
 * @param signal √ᾱ @param sigma √(1-ᾱ), above 0
 */
export function minSnrWeight(
  signal: number,
  sigma: number,
  gamma: number,
  prediction: 'epsilon' | 'v_prediction',
): number {
  const snr = (signal / sigma) ** 2;
  if (prediction === 'v_prediction') return Math.min(snr, gamma) / (snr + 1);
  // The limit when no signal is left.
  return snr <= gamma ? 1 : gamma / snr;
}

/** Weights of one example's positions [h·w]: 1 for the subject, `background` for the rest; `mask` in [0, 1]. */
export function placeWeights(mask: Float32Array, background: number): Float32Array {
  return mask.map((subject) => background + (1 - background) * subject);
}
