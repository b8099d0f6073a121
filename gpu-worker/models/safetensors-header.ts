/**
 * @file The header of a .safetensors file: read from bytes and checked against the format and the file's size.
 * Opens no file itself. Format: https://github.com/huggingface/safetensors#format
 */
import { KronaError } from '../../core/errors.ts';
import { sizeOf } from '../graph/shapes.ts';
import { isInteger, isJsonObject } from './config-fields.ts';

/** Bytes of one element. The order is that of the reference implementation, which sorts tensors by it. */
export const DTYPE_BYTES = {
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
export const DTYPES: readonly string[] = Object.keys(DTYPE_BYTES);
const isDtype = (value: unknown): value is Dtype => typeof value === 'string' && value in DTYPE_BYTES;

/** The reference implementation refuses longer headers too. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Location of a tensor; all that a reader, or an .onnx initializer pointing at the file, needs. */
export interface StoredTensor {
  /** Real path of the file: links are resolved. */
  readonly path: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte, from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** The bytes, if the file was read whole. */
  readonly bytes?: Uint8Array;
}

/** The likely type of a file that starts with no valid header length, for messages; null when unknown. */
export function foreignFormat(start: Buffer): string | null {
  const text = start.toString('latin1');
  if (text.startsWith('PK\x03\x04'))
    return 'a zip archive (a PyTorch checkpoint?), which may run code when it is loaded; convert it to .safetensors first';
  const [mark, version = 0] = start;
  if (mark === 0x80 && version >= 2 && version <= 5)
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

export function parseHeader(name: string, header: Buffer) {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (error) {
    throw new KronaError(
      'SAFETENSORS_INVALID',
      `${name} has a header that is not JSON in UTF-8. The file is damaged, or no .safetensors file: download it again.`,
      {
        cause: error,
      },
    );
  }
  if (!isJsonObject(parsed) || !text.startsWith('{'))
    throw invalid(name, 'has a header that is no JSON object');
  const duplicate = duplicateKey(text);
  if (duplicate !== null) throw invalid(name, `names "${duplicate}" twice in its header`);

  const metadata = new Map<string, string>();
  const tensors = new Map<string, HeaderTensor>();
  for (const [key, value] of Object.entries(parsed)) {
    if (key === '__metadata__') {
      if (!isJsonObject(value)) throw invalid(name, 'has metadata that is no JSON object');
      for (const [field, content] of Object.entries(value)) {
        if (typeof content !== 'string') throw invalid(name, `has metadata "${field}" that is no text`);
        metadata.set(field, content);
      }
    } else tensors.set(key, parseTensor(name, key, value));
  }
  return { tensors, metadata };
}

function parseTensor(name: string, key: string, value: unknown): HeaderTensor {
  if (!isJsonObject(value))
    throw invalid(name, `describes tensor ${key} by something that is no JSON object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype))
    throw invalid(
      name,
      `gives tensor ${key} the dtype ${JSON.stringify(dtype)}; known are ${DTYPES.join(', ')}`,
    );
  const sizes: readonly unknown[] = Array.isArray(shape) ? shape : [null];
  if (!sizes.every(isSize)) throw invalid(name, `gives tensor ${key} the shape ${JSON.stringify(shape)}`);
  const range: readonly unknown[] = Array.isArray(offsets) ? offsets : [];
  const [begin, end, ...more] = range;
  if (!isSize(begin) || !isSize(end) || more.length > 0)
    throw invalid(name, `gives tensor ${key} the offsets ${JSON.stringify(offsets)}`);
  const bytes = sizeOf(sizes) * DTYPE_BYTES[dtype];
  if (end - begin !== bytes)
    throw invalid(
      name,
      `gives tensor ${key} ${end - begin} bytes, but ${dtype} [${sizes.join(', ')}] needs ${bytes}`,
    );
  return { dtype, shape: sizes, begin, end };
}

/** Tensors with absolute offsets, after checking that they fill the rest of the file without gap or overlap. */
export function locate(
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
    const [cut] = [...located].find(([, tensor]) => tensor.offset + tensor.length > fileSize) ?? ['none'];
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

/** The first key that a JSON object in `text` (valid JSON) has twice, which JSON.parse accepts silently. */
function duplicateKey(text: string): string | null {
  const objects: Set<string>[] = [];
  for (const [token, key] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (key !== undefined) {
      const name = String(JSON.parse(key));
      const seen = objects.at(-1);
      if (seen?.has(name)) return name;
      seen?.add(name);
    }
  }
  return null;
}

export function invalid(name: string, what: string): KronaError {
  return new KronaError(
    'SAFETENSORS_INVALID',
    `${name} ${what}. The file is damaged or badly made: download it again, or save it with the safetensors library.`,
  );
}

const isSize = (value: unknown): value is number => isInteger(value);
