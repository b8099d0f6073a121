/** @file Inputs for a program that nobody looks at the results of, and the file that stands for its weights. */
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { KeyedRandom } from '../../core/random.ts';
import type { Feeds, Program, TensorData } from '../../gpu-worker/graph/compile.ts';
import { encodeHalf } from '../../gpu-worker/models/half.ts';
import { sizeOf } from '../../gpu-worker/graph/shapes.ts';

/** Inputs that are not normal numbers. */
const VALUES: Readonly<Record<string, number>> = {
  timesteps: 500,
  signal: 0.7,
  sigma: 0.7,
  time_ids: 1024,
  loss_scale: 2 ** 8,
};

/** Normal numbers for every input, small for adapters; the same each time. */
export function randomInputs({ inputs }: Program): Feeds {
  const feeds: Record<string, TensorData> = {};
  for (const { name, dtype, shape } of inputs) {
    const size = sizeOf(shape);
    const value = VALUES[name];
    if (dtype === 'int64') feeds[name] = new BigInt64Array(size);
    else {
      const scale = name === 'parameters' ? 0.02 : 1;
      const numbers =
        value === undefined
          ? new KeyedRandom(0, name).normals(size).map((x) => scale * x)
          : new Float32Array(size).fill(value);
      feeds[name] = dtype === 'float16' ? encodeHalf(numbers) : numbers;
    }
  }
  return feeds;
}

/** 16-bit numbers between 2^-7 and 2^-5 and their negatives: no layer's result is then too large, or denormal. */
function weightBits(count: number): Uint16Array {
  const random = new KeyedRandom(0, 'weights');
  return Uint16Array.from(
    { length: count },
    () => (random.integer(2) << 15) | (0x2000 + random.integer(0x800)),
  );
}

/** Does work with a file of random 16-bit weights, which is deleted afterwards. @param bytes - its length */
export async function withRandomWeights<T>(bytes: number, work: (path: string) => Promise<T>): Promise<T> {
  const path = join(tmpdir(), `krona-weights-${randomUUID()}`);
  const block = weightBits(2 ** 19);
  const file = await open(path, 'wx', 0o600);
  try {
    for (let written = 0; written < bytes; written += block.byteLength) await file.write(block);
    await file.close();
    return await work(path);
  } finally {
    await file.close().catch(() => undefined);
    await rm(path, { force: true });
  }
}
