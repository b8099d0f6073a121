/** @file Random inputs for a compiled program, the same on every machine, and a file of random weights. */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFileError } from '../../core/files.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { Feeds, Program, TensorData } from '../../gpu-worker/graph/compile.ts';
import { encodeHalf } from '../../gpu-worker/models/half.ts';
import { sizeOf } from '../../gpu-worker/graph/shapes.ts';

/** Inputs that are not normal numbers, by the names that the worker feeds them under: a value for each position. */
const VALUES: Readonly<Record<string, (index: number) => number>> = {
  timesteps: () => 500,
  signal: () => 0.7,
  sigma: () => 0.7,
  time_ids: (index) => (index % 2 === 0 ? 0 : 1024),
  loss_scale: () => 2 ** 8,
  strength: () => 1,
  // The last token of a text, one-hot.
  end: (index) => (index === 5 ? 1 : 0),
};
/** Of the numbers of an adapter: larger ones make a model's results depend on every digit. */
const ADAPTER_SCALE = 0.02;

/** Returns plausible inputs for a program: normal numbers where nothing else is known, small for adapters. */
export function randomInputs({ inputs }: Program, seed = 0): Feeds {
  const feeds: Record<string, TensorData> = {};
  for (const { name, dtype, shape } of inputs) {
    const length = sizeOf(shape);
    if (dtype === 'int64') {
      feeds[name] = BigInt64Array.from({ length }, (_, index) => BigInt((index * 7) % 90));
      continue;
    }
    // Of several adapters or texts, each input has a number: `parameters.0`, `end2`.
    const kind = name.replace(/\.?\d+$/, '');
    const value = VALUES[kind];
    const scale = kind === 'parameters' ? ADAPTER_SCALE : 1;
    const numbers = value
      ? Float32Array.from({ length }, (_, index) => value(index))
      : new KeyedRandom(seed, name).normals(length).map((x) => scale * x);
    feeds[name] = dtype === 'float16' ? encodeHalf(numbers) : numbers;
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

/** The file's name says whose it is, so that it goes with its process even if that is killed. */
const NAME = /^krona-weights-(\d+)-/;

/** Does work with a file of random 16-bit weights, which is deleted afterwards. @param bytes - its length */
export async function withRandomWeights<T>(bytes: number, work: (path: string) => Promise<T>): Promise<T> {
  await removeOrphans();
  const path = join(tmpdir(), `krona-weights-${process.pid}-${randomUUID()}`);
  const removeNow = () => rmSync(path, { force: true });
  process.once('exit', removeNow);
  const block = weightBits(2 ** 19);
  const file = await open(path, 'wx', 0o600);
  try {
    for (let written = 0; written < bytes; written += block.byteLength) await file.write(block);
    await file.close();
    return await work(path);
  } finally {
    await file.close().catch(() => undefined);
    await rm(path, { force: true });
    process.off('exit', removeNow);
  }
}

/** Removes the files of processes that were killed. */
async function removeOrphans(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(NAME.exec(name)?.[1] ?? NaN);
    if (pid > 0 && !isAlive(pid)) await rm(join(tmpdir(), name), { force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isFileError(error, 'ESRCH');
  }
}
