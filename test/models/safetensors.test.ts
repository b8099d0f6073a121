import { mkdtemp, open, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openSafetensors,
  readFloats,
  readTensor,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file from a header and data bytes, as any program (or attacker) might write it. */
async function fileOf(name: string, header: string | object, dataBytes = 0): Promise<string> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const path = join(folder, name);
  await writeFile(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  return path;
}

const f32 = (shape: number[], data: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(data),
});

it('metadata of 15 MB is read: the tags of all photos', async () => {
  const tags = 'a'.repeat(15_000_000);
  const header = `{"__metadata__":{"tags":"${tags}"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
  const { metadata } = await openSafetensors(await fileOf('tags.safetensors', header, 4));
  expect(metadata.get('tags')?.length).toBe(tags.length);
});

describe('writing and reading back', () => {
  it('keeps values, shapes and metadata', async () => {
    const path = join(folder, 'round.safetensors');
    await writeSafetensors(
      path,
      new Map<string, TensorToWrite>([
        ['matrix', f32([2, 3], [1, 2, 3, 4, 5, 6.5])],
        ['scalar', f32([], [0.25])],
        ['steps', { dtype: 'I64', shape: [2], data: new BigInt64Array([5n, -(2n ** 40n)]) }],
        ['empty', f32([0, 4], [])],
        ['__proto__', f32([1], [3])],
      ]),
      new Map([['title', 'Möchi 🐈']]),
    );
    const file = await openSafetensors(path);
    expect(file.metadata.get('title')).toBe('Möchi 🐈');
    expect(file.tensors.get('matrix')!.shape).toEqual([2, 3]);
    expect(file.tensors.get('scalar')!.shape).toEqual([]);
    expect(await readTensor(file.tensors.get('matrix')!)).toEqual(new Float32Array([1, 2, 3, 4, 5, 6.5]));
    expect(await readTensor(file.tensors.get('steps')!)).toEqual(new BigInt64Array([5n, -(2n ** 40n)]));
    expect(await readTensor(file.tensors.get('empty')!)).toEqual(new Float32Array(0));
    expect(file.tensors.has('__proto__')).toBe(true);
    await expect(readFloats(file.tensors.get('steps')!)).rejects.toMatchObject({ code: 'SAFETENSORS_DTYPE' });
  });

  it("gives the reference implementation's file, byte for byte", async () => {
    const path = join(folder, 'reference.safetensors');
    await writeSafetensors(
      path,
      new Map<string, TensorToWrite>([
        ['b', { dtype: 'F16', shape: [2], data: new Float32Array([1, -2]) }],
        ['a', f32([1, 2], [1, 2])],
      ]),
      new Map([['format', 'pt']]),
    );
    // safetensors 0.8 in Python: save({'b': float16 [1, -2], 'a': float32 [[1, 2]]}, {'format': 'pt'})
    const header =
      '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const bytes = await readFile(path);
    expect(bytes.readBigUInt64LE()).toBe(BigInt(padded.length));
    expect(bytes.subarray(8, 8 + padded.length).toString()).toBe(padded);
    expect(bytes.subarray(8 + padded.length).toString('hex')).toBe('0000803f00000040' + '003c00c0');
  });

  it('gives the same bytes for any order of tensors and metadata', async () => {
    const one = join(folder, 'one.safetensors');
    const two = join(folder, 'two.safetensors');
    const entries: [string, TensorToWrite][] = [
      ['x', f32([1], [1])],
      ['a', f32([2], [2, 3])],
    ];
    const metadata: [string, string][] = [
      ['k', '1'],
      ['b', '2'],
    ];
    await writeSafetensors(one, new Map(entries), new Map(metadata));
    await writeSafetensors(two, new Map(entries.toReversed()), new Map(metadata.toReversed()));
    expect((await readFile(one)).equals(await readFile(two))).toBe(true);
  });

  it('rounds 16-bit floats to nearest even, as in IEEE 754', async () => {
    const path = join(folder, 'half.safetensors');
    const values = [
      [0, 0],
      [-0, -0],
      [1 + 2 ** -11, 1], // half-way: even below
      [1 + 3 * 2 ** -11, 1 + 2 ** -9], // half-way: even above
      [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10],
      [65504, 65504],
      [65519.99, 65504],
      [65520, Infinity],
      [-1e30, -Infinity],
      [2 ** -24, 2 ** -24], // the smallest
      [2 ** -25, 0], // half-way to it: even is 0
      [1.5 * 2 ** -25, 2 ** -24],
      [2 ** -14 - 2 ** -26, 2 ** -14], // carries from subnormal to normal
      [2047.75, 2048], // carries into the exponent
      [NaN, NaN],
    ] as const;
    await writeSafetensors(
      path,
      new Map([
        ['h', { dtype: 'F16', shape: [values.length], data: Float32Array.from(values, ([v]) => v) } as const],
      ]),
    );
    const back = await readFloats((await openSafetensors(path)).tensors.get('h')!);
    expect([...back]).toEqual(values.map(([, v]) => v));
  });

  it('keeps every 16-bit float as it is', async () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const path = await fileOf('all.safetensors', {
      h: { dtype: 'F16', shape: [65536], data_offsets: [0, 131072] },
    });
    await writeFile(path, Buffer.from(bits.buffer), { flag: 'a' });
    const values = await readFloats((await openSafetensors(path)).tensors.get('h')!);
    const again = join(folder, 'again.safetensors');
    await writeSafetensors(again, new Map([['h', { dtype: 'F16', shape: [65536], data: values }]]));
    const written = await openSafetensors(again);
    const raw = (await readFile(again)).subarray(written.tensors.get('h')!.offset);
    const changed = [...bits].filter((i) => !Number.isNaN(values[i]) && raw.readUInt16LE(i * 2) !== i);
    expect(changed).toEqual([]);
  });

  it('reads bfloat16 and float64', async () => {
    const path = await fileOf('wide.safetensors', {
      d: { dtype: 'F64', shape: [2], data_offsets: [0, 16] },
      b: { dtype: 'BF16', shape: [3], data_offsets: [16, 22] },
    });
    const brain = Buffer.from(new Uint16Array([0x3f80, 0xc2f7, 0x7f80]).buffer);
    await writeFile(path, Buffer.concat([Buffer.from(new Float64Array([0.1, -3]).buffer), brain]), {
      flag: 'a',
    });
    const file = await openSafetensors(path);
    expect(await readTensor(file.tensors.get('d')!)).toEqual(new Float32Array([0.1, -3]));
    expect(await readTensor(file.tensors.get('b')!)).toEqual(new Float32Array([1, -123.5, Infinity]));
  });

  it('reads tensors beyond 4 GiB, and only what is asked for', async () => {
    const big = 5 * 2 ** 30;
    const path = await fileOf('big.safetensors', {
      a: { dtype: 'U8', shape: [big], data_offsets: [0, big] },
      z: { dtype: 'F32', shape: [2], data_offsets: [big, big + 8] },
    });
    const start = (await stat(path)).size;
    const file = await open(path, 'r+');
    await file.write(new Float32Array([7, 8]), 0, 8, start + big); // a sparse file: takes no room
    await file.close();
    const opened = await openSafetensors(path);
    expect(opened.tensors.get('z')!.offset).toBe(start + big);
    expect(await readFloats(opened.tensors.get('z')!)).toEqual(new Float32Array([7, 8]));
    await rm(path);
  });

  it('gives the real path of a linked file, as in model caches', async () => {
    const path = join(folder, 'blob');
    await writeSafetensors(path, new Map([['w', f32([1], [1])]]));
    await symlink(path, join(folder, 'linked.safetensors'));
    const file = await openSafetensors(join(folder, 'linked.safetensors'));
    expect(file.path.endsWith('blob')).toBe(true);
    expect(file.tensors.get('w')!.path).toBe(file.path);
  });

  it("doesn't mistake a header of 640 bytes (80 02 in hex) for a pickle", async () => {
    const path = await fileOf('640.safetensors', '{"__metadata__":{"a":"b"}}'.padEnd(640));
    expect((await openSafetensors(path)).metadata.get('a')).toBe('b');
  });

  it('leaves only the old file when writing fails', async () => {
    const own = await mkdtemp(join(folder, 'atomic-'));
    const path = join(own, 'x.safetensors');
    await writeSafetensors(path, new Map([['w', f32([1], [1])]]));
    const before = await readFile(path);
    await expect(writeSafetensors(path, new Map([['w', f32([2], [1])]]))).rejects.toMatchObject({
      code: 'SAFETENSORS_INVALID',
    });
    await expect(writeSafetensors(join(own, 'missing', 'x.safetensors'), new Map())).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
    });
    expect((await readFile(path)).equals(before)).toBe(true);
    expect(await readdir(own)).toEqual(['x.safetensors']);
  });
});

describe('bad files', () => {
  it('names the first tensor that a truncated file lacks, and both sizes', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeSafetensors(
      path,
      new Map([
        ['first', f32([4], [1, 2, 3, 4])],
        ['second', f32([4], [5, 6, 7, 8])],
        ['third', f32([4], [5, 6, 7, 8])],
      ]),
    );
    const { size } = await stat(path);
    await truncate(path, size - 20);
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'SAFETENSORS_TRUNCATED',
      message: `cut.safetensors is cut off in tensor second: expected ${size} bytes, found ${size - 20}. Download it again.`,
    });
    await truncate(path, 30);
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
    await truncate(path, 0);
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
  });

  it.each([
    ['a pickle', Buffer.from([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]), /pickle.*may run code/],
    ['a zip', Buffer.from('PK\x03\x04____________'), /zip archive.*may run code/],
    ['a GGUF file', Buffer.from('GGUF____________'), /GGUF/],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
    ['a web page', Buffer.from('<!doctype html><title>404'), /HTML/],
  ])('recognises %s', async (_, bytes, message) => {
    const path = join(folder, 'model.ckpt');
    await writeFile(path, bytes);
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'SAFETENSORS_FOREIGN',
      message: expect.stringMatching(message) as string,
    });
  });

  const tensor = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  it.each<[string, string | object, number, RegExp]>([
    ['no JSON', '{"a":', 0, /not JSON/],
    ['a list', '[1,2]', 0, /no JSON object/],
    [
      'a name twice',
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
      8,
      /"a" twice/,
    ],
    [
      'a field twice',
      '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}',
      4,
      /"shape" twice/,
    ],
    ['an unknown dtype', { a: tensor(0, 4, [1], 'Q4') }, 4, /dtype "Q4"/],
    ['a negative size', { a: tensor(0, 4, [-1]) }, 4, /shape \[-1\]/],
    ['too few bytes for the shape', { a: tensor(0, 4, [2]) }, 4, /a 4 bytes, but F32 \[2\] needs 8/],
    ['overlap', { a: tensor(0, 8), b: tensor(4, 12) }, 12, /starts tensor b at byte 4.*ends at 8/],
    ['a gap', { a: tensor(0, 4), b: tensor(8, 12) }, 12, /starts tensor b at byte 8/],
    ['bytes left over', { a: tensor(0, 4) }, 9, /5 bytes after its last tensor/],
    ['metadata that is no text', { __metadata__: { steps: 3 } }, 0, /metadata "steps"/],
  ])('refuses a header with %s', async (_, header, dataBytes, message) => {
    const path = await fileOf('bad.safetensors', header, dataBytes);
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'SAFETENSORS_INVALID',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses an unreasonable header length without reading it', async () => {
    const path = join(folder, 'huge.safetensors');
    await writeFile(
      path,
      Buffer.concat([Buffer.from(new BigUint64Array([2n ** 60n]).buffer), Buffer.alloc(64)]),
    );
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'SAFETENSORS_INVALID' });
  });

  it('reports a missing file', async () => {
    await expect(openSafetensors(join(folder, 'none.safetensors'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });
});
