/**
 * @file Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) and guidance rescale against overexposed
 * pictures (Lin et al. 2023, arXiv 2305.08891, section 3.4), as diffusers computes both.
 */
import { zip2 } from './zip.ts';

/**
 * unconditional + guidance · (conditional − unconditional).
 *
 * @param output the model's, for `pictures` pictures without the prompt, then for the same with it
 * @param rescale in [0, 1]: how far each picture's standard deviation moves back to that of its conditional output; 0
 * changes nothing, 0.7 is the paper's advice for models trained with zero terminal SNR
 */
export function guide(
  output: Float32Array,
  guidance: number,
  rescale: number,
  pictures: number,
): Float32Array {
  const half = output.length / 2;
  const [unconditional, conditional] = [output.subarray(0, half), output.subarray(half)];
  const guided = zip2(unconditional, conditional, (base, value) => base + guidance * (value - base));
  if (rescale === 0) return guided;
  const each = half / pictures;
  for (let start = 0; start < half; start += each) {
    const picture = guided.subarray(start, start + each);
    const ratio = deviation(conditional.subarray(start, start + each)) / deviation(picture);
    const scale = rescale * ratio + 1 - rescale;
    picture.set(picture.map((value) => value * scale));
  }
  return guided;
}

/** Standard deviation with n − 1, as torch.std. */
function deviation(values: Float32Array): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
}
