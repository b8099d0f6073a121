/**
 * @file Reads and writes .safetensors files by position, so files of any size cost no more memory than the
 * tensors asked for. Opening reads the header alone; no tensor is copied or converted until `readTensor`.
 * Format: https://github.com/huggingface/safetensors#format (u64 header length, JSON header, tensor bytes).
 */
import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KronaError } from '../../storage/errors.ts';
import { decodeHalf, decodeBrain, encodeHalf } from './half.ts';

/** Bytes of one element. The order is that of the reference implementation, which sorts tensors by it. */
const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;
export type Dtype = keyof typeof DTYPE_BYTES;
const DTYPES = Object.keys(DTYPE_BYTES) as Dtype[];

/** The reference implementation refuses longer headers too. */
const MAX_HEADER_BYTES = 100_000_000;
/** One read or write call moves at most this much: Node's limit is 2 GiB, and conversions stay small. */
const CHUNK_BYTES = 1 << 24;

/** Where a tensor lies; all that a reader, or an .onnx initializer pointing at the file, needs. */
export interface StoredTensor {
  /** Real path of the file: links are resolved. */
  readonly path: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte, from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface SafetensorsFile {
  /** The file's name as it was asked for, for messages. */
  readonly name: string;
  /** Real path. */
  readonly path: string;
  /** By name, in the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The header's `__metadata__`, in the file's order. */
  readonly metadata: ReadonlyMap<string, string>;
}

export type TensorData =
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/**
 * A tensor to write. F16 takes a Float32Array and rounds it to nearest even; every other dtype takes the
 * array whose elements it stores (F32: Float32Array, I64: BigInt64Array, …).
 */
export interface TensorToWrite {
  readonly dtype: 'F32' | 'F16' | 'I64' | 'I32' | 'U8';
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
}

/** Number of elements of a shape; 1 for a scalar `[]`. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Reads and checks a file's header.
 *
 * @throws KronaError FILE_NOT_FOUND, FILE_UNREADABLE, SAFETENSORS_FOREIGN (a pickle, zip, … named as what it is),
 * SAFETENSORS_TRUNCATED (names the first tensor that is cut), SAFETENSORS_INVALID
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const name = basename(path);
  const real = await realpath(path).catch((error: unknown) => {
    throw fileError(name, error);
  });
  const file = await open(real, 'r').catch((error: unknown) => {
    throw fileError(name, error);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw invalid(name, 'is not a file');
    const start = Buffer.alloc(Math.min(8, stat.size));
    await readFully(file, start, 0);
    const headerBytes = start.length < 8 ? 0 : Number(start.readBigUInt64LE());
    if (headerBytes > MAX_HEADER_BYTES) {
      const foreign = foreignFormat(start);
      if (foreign !== null)
        throw new KronaError(
          'SAFETENSORS_FOREIGN',
          `${name} is ${foreign}; only .safetensors files are read.`,
        );
    }
    if (stat.size < 8)
      throw new KronaError(
        'SAFETENSORS_TRUNCATED',
        `${name} has ${stat.size} bytes; a .safetensors file has at least 10. Download it again.`,
      );
    if (headerBytes < 2 || headerBytes > MAX_HEADER_BYTES)
      throw invalid(name, `gives its header ${headerBytes} bytes; expected 2 to ${MAX_HEADER_BYTES}`);
    if (8 + headerBytes > stat.size)
      throw new KronaError(
        'SAFETENSORS_TRUNCATED',
        `${name} ends inside its header: expected at least ${8 + headerBytes} bytes, found ${stat.size}. Download it again.`,
      );
    const header = Buffer.alloc(headerBytes);
    await readFully(file, header, 8);
    const { tensors, metadata } = parseHeader(name, header);
    return { name, path: real, metadata, tensors: locate(name, real, tensors, 8 + headerBytes, stat.size) };
  } finally {
    await file.close();
  }
}

/**
 * Reads a tensor's elements: F32, F16, BF16 and F64 as Float32Array, integers as the array of their width,
 * BOOL as Uint8Array.
 *
 * @throws KronaError SAFETENSORS_DTYPE for 8-bit floats, FILE_UNREADABLE
 */
export async function readTensor(tensor: StoredTensor): Promise<TensorData> {
  const count = elementCount(tensor.shape);
  switch (tensor.dtype) {
    case 'F32':
      return readInto(tensor, new Float32Array(count));
    case 'F16':
      return readConverted(tensor, (bytes, to) => decodeHalf(view(bytes, Uint16Array), to));
    case 'BF16':
      return readConverted(tensor, (bytes, to) => decodeBrain(view(bytes, Uint16Array), to));
    case 'F64':
      return readConverted(tensor, (bytes, to) => to.set(view(bytes, Float64Array)));
    case 'I64':
      return readInto(tensor, new BigInt64Array(count));
    case 'U64':
      return readInto(tensor, new BigUint64Array(count));
    case 'I32':
      return readInto(tensor, new Int32Array(count));
    case 'U32':
      return readInto(tensor, new Uint32Array(count));
    case 'I16':
      return readInto(tensor, new Int16Array(count));
    case 'U16':
      return readInto(tensor, new Uint16Array(count));
    case 'I8':
      return readInto(tensor, new Int8Array(count));
    case 'U8':
    case 'BOOL':
      return readInto(tensor, new Uint8Array(count));
    case 'F8_E4M3':
    case 'F8_E5M2':
      throw new KronaError(
        'SAFETENSORS_DTYPE',
        `${basename(tensor.path)} stores ${tensor.dtype} weights; F32, F16, BF16 and F64 are read.`,
      );
  }
}

/** As `readTensor`, for tensors that must be floats. @throws KronaError SAFETENSORS_DTYPE */
export async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const data = await readTensor(tensor);
  if (data instanceof Float32Array) return data;
  throw new KronaError(
    'SAFETENSORS_DTYPE',
    `${basename(tensor.path)} stores ${tensor.dtype} where F32, F16, BF16 or F64 was expected.`,
  );
}

/**
 * Writes a file so that it is there whole or not at all, also after a power cut. The same tensors and metadata
 * give the same bytes, whatever their order: tensors lie widest dtype first, then by name, as the reference
 * implementation writes them; metadata keys are sorted.
 *
 * @throws KronaError DISK_FULL, FILE_UNWRITABLE, SAFETENSORS_INVALID (data does not fit its shape)
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const name = basename(path);
  const ordered = [...tensors].sort(
    ([a, x], [b, y]) => DTYPES.indexOf(y.dtype) - DTYPES.indexOf(x.dtype) || (a < b ? -1 : 1),
  );
  const header: Record<string, unknown> = {};
  if (metadata.size > 0)
    header['__metadata__'] = Object.fromEntries([...metadata].sort(([a], [b]) => (a < b ? -1 : 1)));
  let end = 0;
  for (const [key, { dtype, shape, data }] of ordered) {
    if (data.length !== elementCount(shape))
      throw invalid(name, `would hold ${key} with ${data.length} elements in shape [${shape.join(', ')}]`);
    const begin = end;
    end += data.length * DTYPE_BYTES[dtype];
    header[key] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  // The header is padded with spaces, so that the data starts at a multiple of 8.
  const prefix = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  prefix.writeBigUInt64LE(BigInt(prefix.length - 8));
  json.copy(prefix, 8);

  await writeAtomically(path, async (file) => {
    await writeFully(file, prefix);
    for (const [, { dtype, data }] of ordered) {
      if (dtype !== 'F16') await writeFully(file, data);
      else {
        for (let at = 0; at < data.length; at += CHUNK_BYTES)
          await writeFully(file, encodeHalf((data as Float32Array).subarray(at, at + CHUNK_BYTES)));
      }
    }
  });
}

/** What a file is whose first 8 bytes cannot be a header's length, for people; null when that is unknown. */
function foreignFormat(start: Buffer): string | null {
  const text = start.toString('latin1');
  if (text.startsWith('PK\x03\x04'))
    return 'a zip archive (a PyTorch checkpoint?), which may run code when it is loaded; convert it to .safetensors first';
  if (start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5)
    return 'a Python pickle, which may run code when it is loaded; convert it to .safetensors first';
  if (text.startsWith('GGUF')) return 'a GGUF file';
  if (text.startsWith('version '))
    return 'a Git LFS pointer and not the file itself; fetch it with `git lfs pull`';
  if (/^\s*</.test(text)) return 'an HTML page (a failed download?)';
  return null;
}

interface HeaderTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function parseHeader(name: string, header: Buffer) {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (error) {
    throw new KronaError('SAFETENSORS_INVALID', `${name} has a header that is not JSON in UTF-8.`, {
      cause: error,
    });
  }
  if (!isObject(parsed) || !text.startsWith('{')) throw invalid(name, 'has a header that is no JSON object');
  const duplicate = duplicateKey(text);
  if (duplicate !== null) throw invalid(name, `names "${duplicate}" twice in its header`);

  const metadata = new Map<string, string>();
  const tensors = new Map<string, HeaderTensor>();
  for (const [key, value] of Object.entries(parsed)) {
    if (key === '__metadata__') {
      if (!isObject(value)) throw invalid(name, 'has metadata that is no JSON object');
      for (const [field, content] of Object.entries(value)) {
        if (typeof content !== 'string') throw invalid(name, `has metadata "${field}" that is no text`);
        metadata.set(field, content);
      }
    } else tensors.set(key, parseTensor(name, key, value));
  }
  return { tensors, metadata };
}

function parseTensor(name: string, key: string, value: unknown): HeaderTensor {
  if (!isObject(value)) throw invalid(name, `describes tensor ${key} by something that is no JSON object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !DTYPES.includes(dtype as Dtype))
    throw invalid(
      name,
      `gives tensor ${key} the dtype ${JSON.stringify(dtype)}; known are ${DTYPES.join(', ')}`,
    );
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw invalid(name, `gives tensor ${key} the shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw invalid(name, `gives tensor ${key} the offsets ${JSON.stringify(offsets)}`);
  const [begin, end] = offsets as [number, number];
  const bytes = elementCount(shape) * DTYPE_BYTES[dtype as Dtype];
  if (end - begin !== bytes)
    throw invalid(
      name,
      `gives tensor ${key} ${end - begin} bytes, but ${dtype} [${shape.join(', ')}] needs ${bytes}`,
    );
  return { dtype: dtype as Dtype, shape, begin, end };
}

/** Tensors with absolute offsets, after checking that they fill the rest of the file without gap or overlap. */
function locate(
  name: string,
  path: string,
  tensors: ReadonlyMap<string, HeaderTensor>,
  dataStart: number,
  fileSize: number,
): Map<string, StoredTensor> {
  const ordered = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  const located = new Map<string, StoredTensor>();
  let end = 0;
  for (const [key, tensor] of ordered) {
    if (tensor.begin !== end)
      throw invalid(
        name,
        `starts tensor ${key} at byte ${tensor.begin} of its data; the one before ends at ${end}`,
      );
    end = tensor.end;
    located.set(key, {
      path,
      dtype: tensor.dtype,
      shape: tensor.shape,
      offset: dataStart + tensor.begin,
      length: tensor.end - tensor.begin,
    });
  }
  const expected = dataStart + end;
  if (fileSize < expected) {
    const [cut] = [...located].find(([, tensor]) => tensor.offset + tensor.length > fileSize)!;
    throw new KronaError(
      'SAFETENSORS_TRUNCATED',
      `${name} is cut off in tensor ${cut}: expected ${expected} bytes, found ${fileSize}. Download it again.`,
    );
  }
  if (fileSize > expected)
    throw invalid(
      name,
      `has ${fileSize - expected} bytes after its last tensor (expected ${expected} in all)`,
    );
  return located;
}

/** The first key that a JSON object in `text` (valid JSON) has twice, which JSON.parse passes over in silence. */
function duplicateKey(text: string): string | null {
  const objects: Set<string>[] = [];
  for (const [token, key] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (key !== undefined) {
      const name = JSON.parse(key) as string;
      const seen = objects.at(-1)!;
      if (seen.has(name)) return name;
      seen.add(name);
    }
  }
  return null;
}

async function readInto<T extends TensorData>(tensor: StoredTensor, to: T): Promise<T> {
  const bytes = new Uint8Array(to.buffer, to.byteOffset, to.byteLength);
  await withFile(tensor.path, (file) => readFully(file, bytes, tensor.offset));
  return to;
}

async function readConverted(
  tensor: StoredTensor,
  convert: (bytes: Uint8Array, to: Float32Array) => void,
): Promise<Float32Array> {
  const to = new Float32Array(elementCount(tensor.shape));
  const width = DTYPE_BYTES[tensor.dtype];
  const buffer = new Uint8Array(Math.min(tensor.length, CHUNK_BYTES));
  await withFile(tensor.path, async (file) => {
    for (let at = 0; at < tensor.length; at += CHUNK_BYTES) {
      const bytes = buffer.subarray(0, Math.min(CHUNK_BYTES, tensor.length - at));
      await readFully(file, bytes, tensor.offset + at);
      convert(bytes, to.subarray(at / width, (at + bytes.length) / width));
    }
  });
  return to;
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw fileError(basename(path), error);
  });
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function readFully(file: FileHandle, to: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < to.length;) {
    const { bytesRead } = await file.read(to, done, Math.min(to.length - done, CHUNK_BYTES), position + done);
    if (bytesRead === 0)
      throw new KronaError('FILE_UNREADABLE', 'A file became shorter while it was read; was it replaced?');
    done += bytesRead;
  }
}

async function writeFully(file: FileHandle, data: ArrayBufferView): Promise<void> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, CHUNK_BYTES));
    done += bytesWritten;
  }
}

/** Writes beside `path`, flushes, then renames over it. */
async function writeAtomically(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const folder = await open(dirname(path), 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    await rm(temporary, { force: true });
    if (error instanceof KronaError) throw error;
    const full = errorCode(error) === 'ENOSPC';
    throw new KronaError(
      full ? 'DISK_FULL' : 'FILE_UNWRITABLE',
      full
        ? `There is no room on the disk for ${basename(path)}; free some and try again.`
        : `${basename(path)} could not be written (${errorCode(error)}).`,
      { cause: error, retryable: full },
    );
  }
}

function fileError(name: string, error: unknown): KronaError {
  const code = errorCode(error);
  return code === 'ENOENT'
    ? new KronaError('FILE_NOT_FOUND', `${name} does not exist.`, { cause: error })
    : new KronaError('FILE_UNREADABLE', `${name} could not be opened (${code}).`, { cause: error });
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function invalid(name: string, what: string): KronaError {
  return new KronaError('SAFETENSORS_INVALID', `${name} ${what}. The file is damaged or badly made.`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function view<T>(
  bytes: Uint8Array,
  type: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
): T {
  const width = (type as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
  return new type(bytes.buffer, bytes.byteOffset, bytes.length / width);
}
