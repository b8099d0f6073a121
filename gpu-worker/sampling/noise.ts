/** @file The noise of a sampling run: from torch's CPU generator, or keyed by picture. */
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';
import { TorchGenerator } from './torch-noise.ts';

/** Draws noise in the order that a run needs it, starting with the initial latents. */
export interface NoiseSource {
  /** Standard normal numbers for `pictures` pictures of `elements` latents each, picture after picture. */
  draw(pictures: number, elements: number): Float32Array;
}

/**
 * @param kind `torch`: as diffusers with `torch.Generator('cpu').manual_seed(seed)`, where a picture depends on the
 * size of its set; `krona`: the n-th picture of a seed is the same in a set of any size
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

/** The noise of pictures that are drawn together, each as if it were drawn by itself with its own seed. */
export function noiseOfSeeds(seeds: readonly number[]): NoiseSource {
  const sources = seeds.map((seed) => createNoise('krona', seed));
  return {
    draw(pictures, elements) {
      if (pictures !== seeds.length)
        throw new RangeError(`noise of ${seeds.length} seeds for ${pictures} pictures`);
      const noise = new Float32Array(pictures * elements);
      for (const [i, source] of sources.entries()) noise.set(source.draw(1, elements), i * elements);
      return noise;
    },
  };
}

/** Amount of new noise in a variation: near 0 the same picture, at 1 an unrelated one. */
const VARIATION = 0.5;

/**
 * The noise of variations: that of the first picture of `seeds[0]`, varied by that of each seed after it, then by each
 * picture of `own`. A mixture weighted with √(1 − k²) and k is again normal noise; √(1 − k²) is the weight of the
 * varied picture.
 *
 * @param seeds of krona noise; with none, `own` is returned as it is
 * @param own noise of the pictures, `elements` each, one after the other
 */
export function variedNoise(seeds: readonly number[], own: Float32Array, elements: number): Float32Array {
  const kept = Math.sqrt(1 - VARIATION ** 2);
  const mixed = (old: Float32Array, fresh: Float32Array): Float32Array =>
    fresh.map((value, i) => kept * at(old, i % elements) + VARIATION * value);
  const [original, ...later] = seeds.map((seed) => createNoise('krona', seed).draw(1, elements));
  return original === undefined ? own : mixed(later.reduce(mixed, original), own);
}
