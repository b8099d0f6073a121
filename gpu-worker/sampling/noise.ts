/** @file Where a sampling run's noise comes from: torch's CPU generator, or numbers keyed by picture. */
import { KeyedRandom } from '../random.ts';
import { TorchGenerator } from './torch-noise.ts';

/** Draws in the order in which a run needs them: the initial latents first. */
export interface NoiseSource {
  /** Standard normal numbers for `pictures` pictures of `elements` latents each, picture after picture. */
  draw(pictures: number, elements: number): Float32Array;
}

/**
 * @param kind `torch`: as diffusers with `torch.Generator('cpu').manual_seed(seed)`, where a picture depends on how
 * many are drawn with it; `krona`: the n-th picture of a seed is the same in a set of any size
 * @param seed whole number from 0 to 2⁵³
 */
export function createNoise(kind: 'torch' | 'krona', seed: number): NoiseSource {
  if (kind === 'torch') {
    const generator = new TorchGenerator(seed);
    return { draw: (pictures, elements) => generator.randn(pictures * elements) };
  }
  let draws = 0;
  return {
    draw(pictures, elements) {
      const noise = new Float32Array(pictures * elements);
      for (let picture = 0; picture < pictures; picture++)
        noise.set(new KeyedRandom(seed, `picture ${picture}`, draws).normals(elements), picture * elements);
      draws++;
      return noise;
    },
  };
}
