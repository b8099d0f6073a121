/** @file Initial values of parameters trained from scratch. */
import { at } from '../../core/at.ts';
import type { FlatLayout } from '../../gpu-worker/models/parameters.ts';
import { KeyedRandom } from '../../core/random.ts';

/**
 * Layers initialised to 0, so that every residual branch of the UNet starts as the identity (Nichol & Dhariwal 2021).
 */
const STARTS_AT_ZERO = /(^|\.)(conv2|proj_out|conv_out)\.(weight|bias)$/;

/**
 * Weights uniform in ±1/√fan-in, biases 0, norms 1 and 0, embeddings uniform with standard deviation 0.02.
 * @param zero initialise the last layer of each residual branch at 0
 */
export function initialise(layout: FlatLayout, seed: number, zero: boolean): Float32Array {
  const values = new Float32Array(layout.length);
  layout.entries.forEach(({ name, shape, offset, size }, index) => {
    if (zero && STARTS_AT_ZERO.test(name)) return;
    const random = new KeyedRandom(seed, 'initial', index);
    if (shape.length === 1) {
      values.fill(name.endsWith('weight') ? 1 : 0, offset, offset + size);
      return;
    }
    const bound =
      name.includes('embedding') && name.includes('embeddings.')
        ? 0.02 * Math.sqrt(3)
        : 1 / Math.sqrt(size / at(shape, 0));
    for (let i = offset; i < offset + size; i++) values[i] = (2 * random.uniform() - 1) * bound;
  });
  return values;
}
