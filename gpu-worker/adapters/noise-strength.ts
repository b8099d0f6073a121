/**
 * @file An adapter's strength by timestep. T-LoRA (AAAI 2026) finds that an adapter copies its few photos where noise
 * is strong, and lets its rank fall to a half there: text similarity rises from .232 to .256 on one photo, with the
 * likeness as it was. A rank mask on A of A⊗B would silence whole blocks of outputs (a row of A is out/a1 of them), so
 * here the strength falls instead, by the same line; a product is as rich at any strength. Sampling must do the same, so
 * the file says it (`krona.noise_strength`); programs that do not know it would draw with the full strength throughout.
 */

/**
 * @param atNoise the strength at pure noise, as a share of that at none
 * @param timestep 0 to `timesteps` - 1, fractions as samplers have them
 */
export function strengthAt(atNoise: number, timestep: number, timesteps: number): number {
  return 1 - (1 - atNoise) * (timestep / timesteps);
}
