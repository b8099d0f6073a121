/**
 * @file An adapter's strength by timestep. T-LoRA (AAAI 2026) finds that an adapter copies its few photos where noise
 * is strong, and halves its rank there: text similarity rises from .232 to .256 on one photo at the same likeness. A rank
 * mask on A of A⊗B would silence whole blocks of outputs (a row of A makes out/a1 of them), so here the strength falls
 * instead, by the same line. Sampling must do the same, so the file says it (`krona.noise_strength`); programs that don't
 * know it use the full strength throughout.
 */

/**
 * @param atNoise share of the strength at pure noise
 * @param timestep 0 to `timesteps` - 1, fractions too
 */
export function strengthAt(atNoise: number, timestep: number, timesteps: number): number {
  return 1 - (1 - atNoise) * (timestep / timesteps);
}
