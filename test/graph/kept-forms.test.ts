/** A program that was opened before opens from the form that the runtime gave it, and computes what its weights say. */
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { make } from '../../gpu-worker/graph/tensor.ts';

let root: string;
let forms: string;
let weights: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'krona-forms-'));
  forms = join(root, 'forms');
  weights = join(root, 'weights');
  vi.stubEnv('KRONA_FORMS', forms);
  await writeFile(weights, Float32Array.of(1, 2, 3));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const weightOf = (size: number) =>
  make(
    'weight',
    { name: 'w', shape: [size], dtype: 'float32', source: { path: weights, offset: 0, length: 4 * size } },
    [],
  );

async function doubled(size = 3): Promise<number[]> {
  const y = op.mul(weightOf(size), op.scalar(2));
  return [...(await runOnce(compile({ y }), {})).y.subarray(0, 3)];
}
const kept = () => readdir(forms).catch(() => []);

it('is kept once, for this user alone, and gives the same results', async () => {
  expect(await doubled()).toEqual([2, 4, 6]);
  const [name, ...others] = await kept();
  expect(others).toEqual([]);
  expect((await stat(join(forms, name!))).mode & 0o777).toBe(0o600);
  expect(await doubled()).toEqual([2, 4, 6]);
  expect(await kept()).toEqual([name]);
});

it('is that of these weights: other numbers in the same file have another', async () => {
  await doubled();
  await writeFile(weights, Float32Array.of(5, 2, 3));
  expect(await doubled()).toEqual([10, 4, 6]);
  expect(await kept()).toHaveLength(2);
});

it.each([
  ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ['changed', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)])],
  ['empty', () => Buffer.of()],
])('is not read when it is %s', async (_, damaged) => {
  await doubled();
  const path = join(forms, (await kept())[0]!);
  const bad = damaged(await readFile(path));
  await writeFile(path, bad);
  expect(await doubled()).toEqual([2, 4, 6]);
  const [name, ...others] = await kept();
  expect(others).toEqual([]);
  expect(await readFile(join(forms, name!))).not.toEqual(bad);
});

it('goes when others need its place', async () => {
  await mkdir(forms);
  const nameOf = (digit: string) => `${digit.repeat(64)}-${digit.repeat(64)}.onnx`;
  for (const [name, age] of [
    [nameOf('1'), 2],
    [nameOf('2'), 1],
    ['database', 3],
  ] as const) {
    const path = join(forms, name);
    await writeFile(path, '');
    await truncate(path, 200 * 2 ** 20);
    await utimes(path, new Date(), new Date(Date.now() - age * 60_000));
  }
  await doubled();
  const left = await kept();
  expect(left).toHaveLength(3);
  // What is not Krona's stays.
  expect(left).toEqual(expect.arrayContaining(['database', nameOf('2')]));
});

it('is not taken from a folder that others can write into: it could be theirs', async () => {
  await doubled();
  const [name] = await kept();
  const tripled = op.mul(weightOf(3), op.scalar(3));
  await runOnce(compile({ y: tripled }), {});
  const other = (await kept()).find((each) => each !== name)!;
  // As somebody would name it who knows which program is opened.
  await rename(join(forms, other), join(forms, `${name!.slice(0, 64)}-${other.slice(65)}`));
  await rm(join(forms, name!));
  expect(await doubled()).toEqual([3, 6, 9]);
  for (const mode of [0o770, 0o707]) {
    await chmod(forms, mode);
    expect(await doubled()).toEqual([2, 4, 6]);
  }
});

it.each([
  ['KRONA_FORMS is off', () => vi.stubEnv('KRONA_FORMS', 'off')],
  ['its folder is a file', () => writeFile(forms, '')],
])('is not kept where %s, and nothing else changes', async (_, prepare) => {
  await prepare();
  expect(await doubled()).toEqual([2, 4, 6]);
  expect(await kept()).toEqual([]);
});

it('is not kept for large models', async () => {
  const size = 2 ** 24 + 1;
  await truncate(weights, 4 * size);
  await doubled(size);
  expect(await kept()).toEqual([]);
});
