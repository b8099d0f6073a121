/**
 * @file Reads and writes .safetensors files by position, so memory depends only on the tensors read. Opening reads only
 * the header; no tensor is copied or converted until `readTensor`. Format:
 * https://github.com/huggingface/safetensors#format (u64 header length, JSON header, tensor bytes).
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { checkReplaceable, diskProblem, unwritable } from '../../core/files.ts';
import { sizeOf } from '../graph/shapes.ts';
import { decodeHalf, decodeBrain, encodeHalf } from './half.ts';
import {
  DTYPE_BYTES,
  DTYPES,
  foreignFormat,
  invalid,
  locate,
  MAX_HEADER_BYTES,
  parseHeader,
  type StoredTensor,
} from './safetensors-header.ts';

export type { StoredTensor } from './safetensors-header.ts';

/** Largest read or write call: Node's limit is 2 GiB, and conversions stay small. */
const CHUNK_BYTES = 1 << 24;

export interface SafetensorsFile {
  /** The file's name as requested, for messages. */
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

/** Files up to this size can be held whole while open: adapters, not models. */
const WHOLE_BYTES = 1 << 26;

/**
 * Reads and checks a file's header.
 *
 * @param whole also read the data, up to 64 MiB: one read instead of hundreds for an adapter's tensors
 * @throws KronaError FILE_NOT_FOUND, FILE_UNREADABLE, SAFETENSORS_FOREIGN (a pickle, zip, …, named),
 * SAFETENSORS_TRUNCATED (names the first tensor that is cut), SAFETENSORS_INVALID
 */
export async function openSafetensors(path: string, whole = false): Promise<SafetensorsFile> {
  const name = basename(path);
  const real = await realpath(path).catch((error: unknown) => {
    throw fileError(name, error);
  });
  // Without NONBLOCK opening a named pipe waits for its writer.
  const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
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
    const { tensors: listed, metadata } = parseHeader(name, header);
    const tensors = locate(name, real, listed, 8 + headerBytes, stat.size);
    return { name, path: real, metadata, tensors: whole ? await held(file, tensors, stat.size) : tensors };
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
  const count = sizeOf(tensor.shape);
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

/** As `readTensor`, for float tensors only. @throws KronaError SAFETENSORS_DTYPE */
export async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const data = await readTensor(tensor);
  if (data instanceof Float32Array) return data;
  throw new KronaError(
    'SAFETENSORS_DTYPE',
    `${basename(tensor.path)} stores ${tensor.dtype} where F32, F16, BF16 or F64 was expected.`,
  );
}

/** The one number of a tensor of any type, as files hold alpha. @throws KronaError SAFETENSORS_INVALID, SAFETENSORS_DTYPE */
export async function readNumber(tensor: StoredTensor): Promise<number> {
  if (sizeOf(tensor.shape) !== 1)
    throw invalid(basename(tensor.path), `holds [${tensor.shape.join(', ')}] where one number was expected`);
  return Number((await readTensor(tensor))[0]);
}

/**
 * Writes a file atomically, safe against a power cut. The same tensors and metadata give the same bytes, whatever their
 * order: tensors lie widest dtype first, then by name, as the reference implementation writes them; metadata keys are
 * sorted.
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
  const header: [string, unknown][] = [];
  if (metadata.size > 0)
    header.push(['__metadata__', Object.fromEntries([...metadata].sort(([a], [b]) => (a < b ? -1 : 1)))]);
  let end = 0;
  for (const [key, { dtype, shape, data }] of ordered) {
    if (data.length !== sizeOf(shape))
      throw invalid(name, `would hold ${key} with ${data.length} elements in shape [${shape.join(', ')}]`);
    const begin = end;
    end += data.length * DTYPE_BYTES[dtype];
    header.push([key, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  // The header is padded with spaces, so that the data starts at a multiple of 8.
  const prefix = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  prefix.writeBigUInt64LE(BigInt(prefix.length - 8));
  json.copy(prefix, 8);

  await writeAtomically(path, async (file) => {
    await writeFully(file, prefix);
    for (const [, { dtype, data }] of ordered) {
      if (dtype !== 'F16' || !(data instanceof Float32Array)) await writeFully(file, data);
      else {
        for (let at = 0; at < data.length; at += CHUNK_BYTES)
          await writeFully(file, encodeHalf(data.subarray(at, at + CHUNK_BYTES)));
      }
    }
  });
}

/** The same tensors with their bytes, unless they exceed the limit. */
async function held(
  file: FileHandle,
  tensors: ReadonlyMap<string, StoredTensor>,
  size: number,
): Promise<ReadonlyMap<string, StoredTensor>> {
  if (size > WHOLE_BYTES) return tensors;
  const all = new Uint8Array(size);
  await readFully(file, all, 0);
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { ...tensor, bytes: all.subarray(tensor.offset, tensor.offset + tensor.length) },
    ]),
  );
}

async function readInto<T extends TensorData>(tensor: StoredTensor, to: T): Promise<T> {
  await withData(tensor, (read) => read(new Uint8Array(to.buffer, to.byteOffset, to.byteLength), 0));
  return to;
}

async function readConverted(
  tensor: StoredTensor,
  convert: (bytes: Uint8Array, to: Float32Array) => void,
): Promise<Float32Array> {
  const to = new Float32Array(sizeOf(tensor.shape));
  const width = DTYPE_BYTES[tensor.dtype];
  const buffer = new Uint8Array(Math.min(tensor.length, CHUNK_BYTES));
  await withData(tensor, async (read) => {
    for (let at = 0; at < tensor.length; at += CHUNK_BYTES) {
      const bytes = buffer.subarray(0, Math.min(CHUNK_BYTES, tensor.length - at));
      await read(bytes, at);
      convert(bytes, to.subarray(at / width, (at + bytes.length) / width));
    }
  });
  return to;
}

/** Gives `work` a function that fills bytes from a position in the tensor's data. */
async function withData(
  { path, offset, bytes }: StoredTensor,
  work: (read: (to: Uint8Array, position: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  if (bytes) {
    return work((to, position) => Promise.resolve(to.set(bytes.subarray(position, position + to.length))));
  }
  const file = await open(path, 'r').catch((error: unknown) => {
    throw fileError(basename(path), error);
  });
  try {
    await work((to, position) => readFully(file, to, offset + position));
  } finally {
    await file.close();
  }
}

async function readFully(file: FileHandle, to: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < to.length;) {
    const { bytesRead } = await file.read(to, done, Math.min(to.length - done, CHUNK_BYTES), position + done);
    if (bytesRead === 0)
      throw new KronaError(
        'FILE_UNREADABLE',
        'A file got shorter while Krona read it. Try again when nothing writes to it.',
      );
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
  await checkReplaceable(path);
  const temporary = join(dirname(path), draftName(basename(path), randomBytes(6).toString('hex')));
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
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    // A disk that has become read-only keeps it.
    await rm(temporary, { force: true }).catch(() => undefined);
    if (error instanceof KronaError) throw error;
    if (diskProblem(error) !== null) throw unwritable(path, error);
    throw new KronaError('FILE_UNWRITABLE', `${basename(path)} could not be written (${errorCode(error)}).`, {
      cause: error,
    });
  }
}

const draftName = (name: string, mark: string): string => `.${name}.${mark}.tmp`;

/** Removes what a process left that was killed while it wrote files with these names into a folder. */
export async function removeDrafts(folder: string, isName: (name: string) => boolean): Promise<void> {
  for (const file of await readdir(folder).catch(() => [])) {
    const [, name, mark] = /^\.(.+)\.([0-9a-f]{12})\.tmp$/.exec(file) ?? [];
    if (name !== undefined && mark !== undefined && isName(name))
      // One that stays does no harm, as on a read-only disk.
      await rm(join(folder, draftName(name, mark)), { force: true }).catch(() => undefined);
  }
}

function fileError(name: string, error: unknown): KronaError {
  const code = errorCode(error);
  return code === 'ENOENT'
    ? new KronaError('FILE_NOT_FOUND', `${name} does not exist.`, { cause: error })
    : new KronaError('FILE_UNREADABLE', `${name} could not be opened (${code}).`, { cause: error });
}

/** The code of a system error, e.g. ENOENT; any other error as text. */
const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
}

const view = <T>(bytes: Uint8Array, type: ArrayType<T>): T =>
  new type(bytes.buffer, bytes.byteOffset, bytes.length / type.BYTES_PER_ELEMENT);
