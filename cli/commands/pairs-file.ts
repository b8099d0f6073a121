/** @file The file of `krona train --pairs`: which pictures people preferred. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import type { PreferencePair, WeightedExample } from '../../gpu-worker/training/refine-options.ts';

export interface PairsFile {
  readonly pairs: readonly PreferencePair[];
  readonly examples: readonly WeightedExample[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads `{"pairs": [{"winner": "a.png", "loser": "b.png", "prompt": "a sks cat"}], "examples": [{"picture": "a.png",
 * "prompt": "a sks cat"}]}`. Paths are relative to the file. `weight` is 1 and a pair's `set` its own unless given;
 * `examples` can be missing.
 *
 * @throws KronaError PAIRS_INVALID, FILE_NOT_FOUND
 */
export async function readPairs(path: string): Promise<PairsFile> {
  const name = basename(path);
  const invalid = (what: string): KronaError =>
    new KronaError(
      'PAIRS_INVALID',
      `${name} ${what}. Expected {"pairs": [{"winner": "a.png", "loser": "b.png", "prompt": "a sks cat", "weight": 1}], ` +
        '"examples": [{"picture": "a.png", "prompt": "a sks cat", "weight": 1}]}.',
    );
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KronaError('FILE_NOT_FOUND', `${name} can't be read. Check the path of --pairs.`, { cause });
  });
  const list = (whole: Fields, key: string): readonly Fields[] => {
    const found = whole[key] ?? [];
    if (!Array.isArray(found) || !found.every(isFields)) throw invalid(`has no list of objects as “${key}”`);
    return found;
  };
  const words = (fields: Fields, key: string, where: string): string => {
    const found = fields[key];
    if (typeof found !== 'string' || found === '') throw invalid(`has no text as “${key}” of ${where}`);
    return found;
  };
  const weight = (fields: Fields, where: string): number => {
    const found = fields['weight'] ?? 1;
    if (typeof found !== 'number' || !(found > 0 && found < Infinity))
      throw invalid(`has no number above 0 as “weight” of ${where}`);
    return found;
  };
  const picture = async (fields: Fields, key: string, where: string): Promise<string> => {
    const found = resolve(dirname(path), words(fields, key, where));
    if (!(await exists(found)))
      throw new KronaError(
        'FILE_NOT_FOUND',
        `${basename(found)}, the ${key} of ${where} in ${name}, is missing. Paths are relative to ${name}.`,
      );
    return found;
  };
  const whole = parsed(text);
  if (!isFields(whole)) throw invalid('is not such a JSON file');
  const pairs: PreferencePair[] = [];
  for (const [n, fields] of list(whole, 'pairs').entries()) {
    const where = `pair ${n + 1}`;
    const { set = where } = fields;
    pairs.push({
      winner: await picture(fields, 'winner', where),
      loser: await picture(fields, 'loser', where),
      prompt: words(fields, 'prompt', where),
      weight: weight(fields, where),
      set: String(set),
    });
  }
  const examples: WeightedExample[] = [];
  for (const [n, fields] of list(whole, 'examples').entries()) {
    const where = `example ${n + 1}`;
    examples.push({
      picture: await picture(fields, 'picture', where),
      prompt: words(fields, 'prompt', where),
      weight: weight(fields, where),
    });
  }
  return { pairs, examples };
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
