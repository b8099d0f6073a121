/**
 * @file The header of a .safetensors file: read from bytes and checked against the format and the file's size.
 * Opens no file itself. Format: https://github.com/huggingface/safetensors#format
 */
import { KronaError } from '../../core/errors.ts';
import { sizeOf } from '../graph/shapes.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { isInteger, quoted } from './config-fields.ts';

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
const isDtype = (value: unknown): value is Dtype =>
  typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);

/**
 * SDXL's checkpoints have headers of 300 kB, and the longest of adapters (a thousand modules, with the trainer's count of
 * every tag) a few MB. The reference implementation allows 100 MB, which take it and us a gigabyte of memory.
 */
export const MAX_HEADER_BYTES = 16_000_000;
/** SDXL's checkpoints have 2,515. */
const MAX_TENSORS = 20_000;
/** Of the metadata; kohya's trainer writes about a hundred. */
const MAX_FIELDS = 10_000;
/** Of a tensor's name; module paths stay below 150. */
const MAX_NAME = 512;
const MAX_AXES = 8;
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

/**
 * Tensors and metadata of a header. Its outline is checked first, in one pass over the bytes, so that a header that is
 * long for no good reason costs milliseconds.
 * @throws KronaError SAFETENSORS_INVALID
 */
export function parseHeader(name: string, header: Buffer) {
  checkOutline(name, header);
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (error) {
    throw new KronaError(
      'SAFETENSORS_INVALID',
      `${name} has a header that is not JSON in UTF-8. The file is damaged, or not a .safetensors file: download it again.`,
      {
        cause: error,
      },
    );
  }
  if (!isJsonObject(parsed) || !text.startsWith('{'))
    throw invalid(name, 'has a header that is no JSON object');
  const entries = Object.entries(parsed);
  if (entries.length > MAX_TENSORS)
    throw invalid(name, `lists ${entries.length} tensors; at most ${MAX_TENSORS} are read`);
  const duplicate = duplicateKey(text);
  if (duplicate !== null) throw invalid(name, `names ${quoted(duplicate)} twice in its header`);

  const metadata = new Map<string, string>();
  const tensors = new Map<string, HeaderTensor>();
  for (const [key, value] of entries) {
    if (key === '__metadata__') {
      if (!isJsonObject(value)) throw invalid(name, 'has metadata that is no JSON object');
      const fields = Object.entries(value);
      if (fields.length > MAX_FIELDS)
        throw invalid(name, `has ${fields.length} fields of metadata; at most ${MAX_FIELDS} are read`);
      for (const [field, content] of fields) {
        if (typeof content !== 'string') throw invalid(name, `has metadata ${quoted(field)} that is no text`);
        metadata.set(field, content);
      }
    } else tensors.set(key, parseTensor(name, key, value));
  }
  return { tensors, metadata };
}

function parseTensor(name: string, key: string, value: unknown): HeaderTensor {
  if (key.length > MAX_NAME)
    throw invalid(name, `has a tensor whose name has ${key.length} characters: ${quoted(key)}`);
  if (!isJsonObject(value))
    throw invalid(name, `describes tensor ${key} by something that is no JSON object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype))
    throw invalid(name, `gives tensor ${key} the dtype ${quoted(dtype)}; known are ${DTYPES.join(', ')}`);
  const sizes: readonly unknown[] = Array.isArray(shape) ? shape : [null];
  if (sizes.length > MAX_AXES || !sizes.every(isSize))
    throw invalid(name, `gives tensor ${key} the shape ${quoted(shape)}`);
  const range: readonly unknown[] = Array.isArray(offsets) ? offsets : [];
  const [begin, end, ...more] = range;
  if (!isSize(begin) || !isSize(end) || more.length > 0)
    throw invalid(name, `gives tensor ${key} the offsets ${quoted(offsets)}`);
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

const [QUOTE, BACKSLASH, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = Buffer.from('"\\:{}[]');

/** Refuses JSON that is nested deeper than a header's, or has more fields than the most tensors have. */
function checkOutline(name: string, header: Buffer): void {
  let [depth, fields, inText] = [0, 0, false];
  for (let i = 0; i < header.length; i++) {
    const byte = header[i];
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === COLON) fields++;
    else if (byte === OPEN || byte === OPEN_LIST) {
      // The header, a tensor, its shape.
      if (++depth > 3) throw invalid(name, 'has a header that is nested deeper than any tensor is');
    } else if (byte === CLOSE || byte === CLOSE_LIST) depth--;
  }
  // A tensor's own name, and its three fields.
  const most = MAX_TENSORS * 4 + MAX_FIELDS;
  if (fields > most) throw invalid(name, `has ${fields} fields in its header; at most ${most} are read`);
}

/**
 * The first key that a JSON object in `text` (valid JSON) has twice, which JSON.parse accepts silently. Texts are skipped
 * letter by letter: a regular expression overflows its stack in one of 15 MB.
 */
function duplicateKey(text: string): string | null {
  const objects: Set<string>[] = [];
  let [begin, end] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === '{') objects.push(new Set());
    else if (sign === '}') objects.pop();
    else if (sign === '"') {
      begin = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      end = i + 1;
    } else if (sign === ':') {
      const key = String(JSON.parse(text.slice(begin, end)));
      const seen = objects.at(-1);
      if (seen?.has(key)) return key;
      seen?.add(key);
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
