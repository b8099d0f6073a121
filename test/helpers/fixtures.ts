/** @file Reads the reference values in the folders of test/fixtures; its README says what each tensor is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors, readTensor } from '../../gpu-worker/models/safetensors.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/sdxl-tiny');

/** The tiny model: a diffusers folder of the SDXL architecture. */
export const TINY_MODEL = join(FOLDER, 'model');
/** The tiny model's tokenizers in the other file format: `json-1` and `hub-2`. */
export const TINY_TOKENIZERS = join(FOLDER, 'tokenizers');

export interface FixtureTensor {
  readonly shape: readonly number[];
  /** int64 tensors (token ids, timesteps) too: every value fits. */
  readonly data: Float32Array;
}

export interface Fixture<Facts> {
  /** @throws Error naming the tensor when the file has none of that name. */
  readonly tensor: (name: string) => FixtureTensor;
  /** Names of all tensors, in no particular order. */
  readonly names: readonly string[];
  /** What index.json says of the file. */
  readonly facts: Facts;
}

/**
 * Reads `FOLDER/NAME.safetensors` whole, and its entry of the folder's index.json.
 *
 * @param folder in test/fixtures
 * @example const { tensor } = await readFixture('unet'); tensor('output').data
 */
export async function readFixture<Facts = unknown>(
  name: string,
  folder = 'sdxl-tiny',
): Promise<Fixture<Facts>> {
  const path = join(import.meta.dirname, '../fixtures', folder);
  const file = await openSafetensors(join(path, `${name}.safetensors`));
  const tensors = new Map<string, FixtureTensor>();
  for (const [key, stored] of file.tensors) {
    const data = await readTensor(stored);
    tensors.set(key, {
      shape: stored.shape,
      data:
        data instanceof Float32Array ? data : Float32Array.from(data as Iterable<number | bigint>, Number),
    });
  }
  const tensor = (key: string): FixtureTensor => {
    const found = tensors.get(key);
    if (found === undefined) throw new Error(`${name}.safetensors has no tensor ${key}`);
    return found;
  };
  return {
    tensor,
    names: [...tensors.keys()],
    facts: readJson<Record<string, Facts>>(join(path, 'index.json'))[name]!,
  };
}

/** What both tokenizers of the tiny model make of a prompt: 77 ids each. */
export interface TokenCase {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly ids2: readonly number[];
}

export function readTokenCases(): readonly TokenCase[] {
  return readJson<TokenCase[]>(join(FOLDER, 'tokens.json'));
}

/** The same of CLIP's own vocabulary, padded with its end token, and with `!`. */
export const readClipTokenCases = (): readonly TokenCase[] =>
  readJson<TokenCase[]>(join(FOLDER, '../clip-tokens.json'));

/** Largest |actual − expected| as a share of the largest |expected|, counting that as at least 1; NaN if any is. */
export function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length)
    throw new Error(`${actual.length} values, expected ${expected.length}`);
  let [error, scale] = [0, 1];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(difference)) return NaN;
    error = Math.max(error, difference);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return error / scale;
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
