/** @file The programs in examples/, each run as a reader runs it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inspectAdapter } from '../../gpu-worker/adapters/files/inspect.ts';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'krona-examples-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function example(name: string, ...words: string[]): Promise<string> {
  const program = join(import.meta.dirname, '../../examples', name);
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, ...words]);
  return stdout;
}

it('gradient.ts prints the graph and the right gradient', async () => {
  const stdout = await example('gradient.ts');
  expect(stdout).toContain('= matmul %0 %1');
  const numbers = /gradient: Float32Array\(6\) \[([^\]]*)\]/.exec(stdout)?.[1] ?? '';
  // d/dw Σ tanh(x·w)² = xᵀ · 2y(1 − y²), where x·w = (0.1, 0.6).
  const slope = (sum: number) => 2 * Math.tanh(sum) * (1 - Math.tanh(sum) ** 2);
  const expected = [1, 2, 3].flatMap((x) => [x * slope(0.1), x * slope(0.6)]);
  numbers.split(',').forEach((number, i) => expect(Number(number)).toBeCloseTo(expected[i] ?? NaN, 5));
});

it('draw-picture.ts writes a picture', async () => {
  const file = join(folder, 'fox.png');
  expect(await example('draw-picture.ts', 'a red fox, flat', file)).toBe(`${file}: 128×128\n`);
  expect(await sharp(file).metadata()).toMatchObject({ format: 'png', width: 128, height: 128 });
});

it('train-adapter.ts writes an adapter', async () => {
  const photo = { width: 64, height: 64, channels: 3, background: '#3050c0' } as const;
  await sharp({ create: photo }).png().toFile(join(folder, 'photo.png'));
  const file = join(folder, 'mochi.safetensors');
  expect(await example('train-adapter.ts', folder, '2', file)).toContain('step 2: loss');
  expect(await inspectAdapter(file)).toMatchObject({ format: 'lokr', method: 'krona' });
});
