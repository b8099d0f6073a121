/** @file Plausible random inputs for a compiled program, by the names that the worker feeds them under. */
import type { Program } from '../../gpu-worker/graph/compile.ts';
import type { Feeds, TensorData } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { KeyedRandom } from '../../core/random.ts';

/** The same numbers on every machine. */
export function randomFeeds({ inputs }: Program, seed = 1): Feeds {
  const feeds: Record<string, TensorData> = {};
  for (const { name, dtype, shape } of inputs) {
    const size = sizeOf(shape);
    const random = new KeyedRandom(seed, name);
    if (dtype === 'int64') feeds[name] = BigInt64Array.from({ length: size }, (_, i) => BigInt((i * 7) % 90));
    else if (name === 'timesteps') feeds[name] = new Float32Array(size).fill(437);
    else if (name === 'time_ids')
      feeds[name] = Float32Array.from({ length: size }, (_, i) => (i % 2 ? 1024 : 0));
    else if (name === 'loss_scale') feeds[name] = Float32Array.of(2 ** 8);
    else if (name === 'signal') feeds[name] = new Float32Array(size).fill(0.6);
    else if (name === 'sigma') feeds[name] = new Float32Array(size).fill(0.8);
    else if (name.startsWith('end'))
      feeds[name] = Float32Array.from({ length: size }, (_, i) => (i === 5 ? 1 : 0));
    else if (name === 'parameters') feeds[name] = random.normals(size).map((x) => 0.1 * x);
    else feeds[name] = random.normals(size);
  }
  return feeds;
}
