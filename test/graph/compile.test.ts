/** @file Compiled programs: weights stay in their files wherever those lie, and every failure is told clearly. */
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, compileFunction } from '../../gpu-worker/graph/compile.ts';
import { currentDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS, type Dialect } from '../../gpu-worker/graph/dialect.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { DType, Shape } from '../../gpu-worker/graph/primitives.ts';
import { runOnce, Session } from '../../gpu-worker/graph/runtime.ts';
import { make, sizeOf, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import { openSafetensors, writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { KronaError } from '../../core/errors.ts';
import '../helpers/allclose.ts';
import { hasHalf } from '../helpers/on-device.ts';
import { randomValues, weightedSum } from '../helpers/check-op.ts';
import { decode, evaluate } from '../helpers/reference-math.ts';

const BYTES = { float32: 4, float16: 2, bfloat16: 2, int64: 8 } as const;

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'krona-compile-')));
});
afterAll(() => rm(folder, { recursive: true }));

function weight(path: string, shape: Shape, dtype: DType = 'float32', offset = 0, name = 'w'): Tensor {
  return make(
    'weight',
    {
      name,
      shape,
      dtype,
      source: { path, offset, length: sizeOf(shape) * BYTES[dtype] },
    },
    [],
  );
}

/** A file of these bytes after `offset` others. */
async function fileOf(name: string, data: ArrayBufferView, offset = 0): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  await writeFile(path, Buffer.concat([Buffer.alloc(offset, 0xff), bytes]));
  return path;
}

const floats = (count: number, seed = 1): Float32Array =>
  Float32Array.from(randomValues([count], [-1, 1], seed).data);

/** What a weight comes out as, through the runtime. */
async function through(tensor: Tensor): Promise<Float32Array> {
  const { y } = await runOnce(compile({ y: op.mul(tensor, op.input('one', [])) }), {
    one: new Float32Array([1]),
  });
  return y;
}

describe('weights', () => {
  it('stay in their file: the program holds names and places only', async () => {
    const data = floats(1 << 18);
    const path = await fileOf('large', data);
    const program = compile({ y: op.matmul(op.input('x', [1, 512]), weight(path, [512, 512])) });
    expect(program.bytes.length).toBeLessThan(1000);
    const { y } = await runOnce(program, { x: new Float32Array(512).fill(1, 3, 4) });
    expect(y).toEqual(data.subarray(3 * 512, 4 * 512));
  });

  it.each([1, 2, 3, 4, 36, 4097, 65535])('can start at any byte of it, such as %d', async (offset) => {
    const data = floats(1000);
    expect(await through(weight(await fileOf('offset', data, offset), [10, 100], 'float32', offset))).toEqual(
      data,
    );
  });

  it('can be beyond the first 4 GiB', async () => {
    const path = join(folder, 'sparse');
    const data = floats(1000);
    const offset = 5 * 2 ** 30 + 12;
    const file = await open(path, 'w'); // a hole takes no room on disk
    await file.write(data, 0, data.byteLength, offset);
    await file.close();
    expect(await through(weight(path, [1000], 'float32', offset))).toEqual(data);
  });

  it('are found through links to files and folders, even outside the folder', async () => {
    const data = floats(64);
    const blob = await fileOf('hub/blobs/0123abcd', data, 8);
    await mkdir(join(folder, 'hub/snapshots/main'), { recursive: true });
    const link = join(folder, 'hub/snapshots/main/model.safetensors');
    await symlink('../../blobs/0123abcd', link);
    await symlink(join(folder, 'hub/snapshots'), join(folder, 'elsewhere'));
    for (const path of [blob, link, join(folder, 'elsewhere/main/model.safetensors')])
      expect(await through(weight(path, [8, 8], 'float32', 8))).toEqual(data);
  });

  it('of several files and folders serve one program', async () => {
    const [a, b] = [floats(6, 1), floats(6, 2)];
    const first = weight(await fileOf('one/a', a), [6], 'float32', 0, 'a');
    const second = weight(await fileOf('two/deep er/ü 猫.safetensors', b), [6], 'float32', 0, 'b');
    expect(await through(op.add(first, second))).toEqual(a.map((value, i) => value + b[i]!));
  });

  it('are read by their names in a .safetensors file, also one tensor under several names', async () => {
    const path = join(folder, 'model.safetensors');
    const data = floats(24);
    await writeSafetensors(
      path,
      new Map([
        ['ids', { dtype: 'U8' as const, shape: [3], data: new Uint8Array([1, 2, 3]) }],
        ['fused', { dtype: 'F32' as const, shape: [6, 4], data }],
      ]),
    );
    const stored = (await openSafetensors(path)).tensors.get('fused')!;
    const part = (n: number): Tensor =>
      weight(stored.path, [2, 4], 'float32', stored.offset + n * 32, `part${n}`);
    expect(await through(op.concat([part(2), part(0)], 0))).toEqual(
      Float32Array.from([...data.subarray(16), ...data.subarray(0, 8)]),
    );
  });

  it('give the right gradients when frozen in a convolution, stride 1 and 2', async () => {
    for (const stride of [1, 2]) {
      const [k, data] = [[4, 3, 3, 3], floats(108)];
      const w = weight(await fileOf('conv', data, 20), k, 'float32', 20);
      const x = op.input('x', [1, 3, 6, 5]);
      const y = op.conv2d(x, w, undefined, stride, 1);
      const outputs: Record<string, Tensor> = { y, dx: gradients(weightedSum(y), [x])[0] };
      const values = randomValues(x.shape);
      const results = await runOnce(compile(outputs), { x: Float32Array.from(values.data) });
      const expected = evaluate(Object.values(outputs), { x: values });
      for (const [name, tensor] of Object.entries(outputs))
        expect(results[name], name).toBeAllclose(expected.get(tensor)!.data, {
          shape: tensor.shape,
        });
    }
  });

  it.each(['float16', 'bfloat16'] as const)(
    'of every %s number are cast to float32 correctly',
    async (dtype) => {
      const data = Uint16Array.from({ length: 65536 }, (_, i) => i);
      const path = await fileOf(dtype, data, 6);
      const actual = await through(op.cast(weight(path, [256, 256], dtype, 6), 'float32'));
      const expected = decode(dtype, new Uint8Array(data.buffer));
      // The runtime counts denormal float32 as 0, which only bfloat16 has any of.
      const smallest = 2 ** -126;
      const plain = (x: number): number => (Number.isNaN(x) ? 12345 : Math.abs(x) < smallest ? 0 : x);
      expect(actual.map(plain)).toEqual(Float32Array.from(expected, plain));
    },
  );

  it('in half precision give products of float32', async () => {
    const data = new Uint16Array([0x3c00, 0x4000, 0xc200, 0x3800, 0x0000, 0x4400]); // 1 2 -3 0.5 0 4
    const w = op.cast(weight(await fileOf('half', data), [2, 3], 'float16'), 'float32');
    const x = op.input('x', [1, 3]);
    const y = op.linear(x, w);
    const [dx] = gradients(op.sum(y), [x]);
    const results = await runOnce(compile({ y, dx }), { x: new Float32Array([1, 10, 100]) });
    expect([...results.y]).toEqual([1 + 20 - 300, 0.5 + 400]);
    expect([...results.dx]).toEqual([1.5, 2, 1]);
  });
});

describe('inputs and outputs', () => {
  it('can be one tensor under several names, an input itself, and in any order', async () => {
    const [a, b] = [op.input('a', [2]), op.input('b', [2])];
    const sum = op.add(b, a);
    const program = compile({ second: sum, same: a, first: sum });
    expect(program.inputs.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(program.outputs.map(({ name }) => name)).toEqual(['second', 'same', 'first']);
    const results = await runOnce(program, { a: new Float32Array([1, 2]), b: new Float32Array([3, 4]) });
    expect(Object.entries(results).map(([name, data]) => [name, ...data])).toEqual([
      ['second', 4, 6],
      ['same', 1, 2],
      ['first', 4, 6],
    ]);
  });

  it.skipIf(!hasHalf)('can be int64 and float16 as inputs, and are float32 as outputs', async () => {
    const [ids, halves] = [op.input('ids', [2], 'int64'), op.input('halves', [2], 'float16')];
    const program = compile({ numbers: op.cast(ids, 'float32'), wide: op.cast(halves, 'float32') });
    const results = await runOnce(program, {
      ids: new BigInt64Array([7n, -(2n ** 40n)]),
      halves: new Uint16Array([0x3c00, 0xc500]),
    });
    expect([...results.numbers]).toEqual([7, -(2 ** 40)]);
    expect([...results.wide]).toEqual([1, -5]);
    expect(() => compile({ halves })).toThrow(
      expect.objectContaining({
        code: 'GRAPH_DTYPE',
        message: 'output halves is float16; cast it to float32',
      }),
    );
  });

  it('are known to TypeScript where they are declared', async () => {
    const program = compileFunction({ x: [2], ids: { shape: [1], dtype: 'int64' } }, ({ x, ids }) => ({
      row: op.gatherRows(op.reshape(x, [2, 1]), ids),
    }));
    const feeds = { x: Float32Array.of(3, 4), ids: BigInt64Array.of(1n) };
    expect([...(await runOnce(program, feeds)).row]).toEqual([4]);
    // @ts-expect-error ids are whole numbers
    await expect(runOnce(program, { ...feeds, ids: Float32Array.of(1) })).rejects.toMatchObject({
      code: 'RUNTIME_FEED',
    });
    // @ts-expect-error x is missing
    await expect(runOnce(program, { ids: feeds.ids })).rejects.toMatchObject({ code: 'RUNTIME_FEED' });
  });

  it('have unique names', () => {
    const x = op.input('x', [2]);
    expect(() => compile({ x: op.neg(x) })).toThrow(
      expect.objectContaining({
        code: 'GRAPH_NAME',
        message: 'two inputs, weights or outputs are named "x"; rename one',
      }),
    );
    const [a, b] = [weight('/a', [2]), weight('/b', [2])];
    expect(() => compile({ y: op.add(a, b) })).toThrow(expect.objectContaining({ code: 'GRAPH_NAME' }));
  });

  it('are written into given arrays, and otherwise into new ones', async () => {
    const x = op.input('x', [3]);
    const session = await Session.create(compile({ a: op.neg(x), b: op.exp(x) }));
    const a = new Float32Array(5);
    const results = await session.run({ x: new Float32Array([1, 2, 3]) }, { a: a.subarray(1, 4) });
    expect([...a]).toEqual([0, -1, -2, -3, 0]);
    expect(results.a.buffer).toBe(a.buffer);
    const again = await session.run({ x: new Float32Array(3) });
    expect(results.b).toBeAllclose([1, 2, 3].map(Math.exp));
    expect([...again.b]).toEqual([1, 1, 1]);
    await session.release();
  });
});

describe.each(['host', 'device'] as const)('after, waiting on the %s,', (order) => {
  const dialect: Dialect = { ...DIALECTS.cpu, order };
  const [x, y] = [op.input('x', [4]), op.input('y', [4])];

  /** In which order Tanh and Exp ran. */
  async function orderOf(outputs: Readonly<Record<string, Tensor>>): Promise<string[]> {
    const place = await mkdtemp(join(folder, 'profile-'));
    const program = compile(outputs, { dialect });
    const session = await Session.create(program, { threads: 1, profilePrefix: join(place, 'run') });
    await session.run({ x: new Float32Array(4), y: new Float32Array(4) });
    session.endProfiling();
    await session.release();
    const [file] = await readdir(place);
    const events = JSON.parse(await readFile(join(place, file!), 'utf8')) as {
      readonly name: string;
      readonly args?: { readonly op_name?: string };
    }[];
    const ran = events.filter(({ name }) => name.endsWith('_kernel_time')).map(({ args }) => args!.op_name!);
    return ran.filter((type) => type === 'Tanh' || type === 'Exp');
  }

  /** Orders with either result named first: the runtime goes by that where nothing else says. */
  const orders = async (tanh: Tensor, exp: Tensor): Promise<string[][]> => [
    await orderOf({ tanh, exp }),
    await orderOf({ exp, tanh }),
  ];
  const before = ['Tanh', 'Exp'];

  it('orders a tensor, also behind a reshape', async () => {
    const tanh = op.tanh(y);
    expect(await orders(tanh, op.exp(op.after(x, [tanh])))).toEqual([before, before]);
    expect(await orders(tanh, op.exp(op.reshape(op.after(x, [tanh]), [2, 2])))).toEqual([before, before]);
  });

  it('orders several tensors, and numbers', async () => {
    const tanh = op.reshape(op.tanh(op.sum(y)), []);
    expect(await orders(tanh, op.exp(op.after(x, [y, tanh])))).toEqual([before, before]);
  });

  it('is needed: without it, the order is another', async () => {
    const tanh = op.tanh(y);
    expect(await orders(tanh, op.exp(x))).toContainEqual(['Exp', 'Tanh']);
  });
});

describe('what goes wrong when running', () => {
  const program = compile({
    y: op.gatherRows(op.input('table', [3, 2]), op.input('ids', [2], 'int64')),
  });
  const table = new Float32Array(6);
  const ids = new BigInt64Array([0n, 2n]);
  let session: Session;
  beforeAll(async () => {
    session = await Session.create(program, { threads: 1 });
  });
  afterAll(() => session.release());

  const failure = (run: Promise<unknown>): Promise<unknown> =>
    run.then(
      () => 'no error',
      (error: unknown) => error,
    );

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'a missing feed',
      () => session.run({ table }),
      'input ids takes int64[2], a BigInt64Array of 2; got nothing',
    ],
    [
      'a feed of another size',
      () => session.run({ table: new Float32Array(5), ids }),
      'input table takes float32[3,2], a Float32Array of 6; got Float32Array of 5',
    ],
    [
      'a feed of another type',
      () => session.run({ table, ids: new Float32Array(2) }),
      'input ids takes int64[2], a BigInt64Array of 2; got Float32Array of 2',
    ],
    [
      'a result array of another size',
      () => session.run({ table, ids }, { y: new Float32Array(3) }),
      'output y takes float32[2,2], a Float32Array of 4; got Float32Array of 3',
    ],
  ])('%s is told before the run', async (_, run, message) => {
    const error = await failure(run());
    expect(error).toBeInstanceOf(KronaError);
    expect(error).toMatchObject({ code: 'RUNTIME_FEED', message });
    expect(await session.run({ table, ids, unused: table })).toHaveProperty('y'); // and the session goes on
  });

  // WebGPU reads another row, without an error.
  it.skipIf(currentDevice() === 'webgpu')('an id without a row fails the run, not the process', async () => {
    const error = await failure(session.run({ table, ids: new BigInt64Array([0n, 3n]) }));
    expect(error).toBeInstanceOf(KronaError);
    expect(error).toMatchObject({
      code: 'RUNTIME_RUN',
      message: expect.stringContaining('Gather') as string,
    });
  });

  it('a released session says so', async () => {
    const released = await Session.create(program);
    await released.release();
    expect(await failure(released.run({ table, ids }))).toMatchObject({ code: 'RUNTIME_RUN' });
  });

  it.each<[string, () => Promise<Tensor>, RegExp]>([
    ['is not there', async () => weight(join(folder, 'nowhere'), [2]), /nowhere/],
    [
      'ends too early',
      async () => {
        const path = await fileOf('short', floats(100));
        await truncate(path, 200);
        return weight(path, [100]);
      },
      /out of bounds/,
    ],
  ])('a weight file that %s', async (_, make, message) => {
    const error = await failure(runOnce(compile({ y: op.neg(await make()) }), {}));
    expect(error).toBeInstanceOf(KronaError);
    expect(error).toMatchObject({ code: 'RUNTIME_LOAD', message: expect.stringMatching(message) as string });
  });
});
