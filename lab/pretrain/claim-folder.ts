/** @file Records in a folder which inputs its results belong to, so that results of different inputs never mix. */
import { readFileIfAny, writeWhole } from '../../core/files.ts';
import type { KronaError } from '../../core/errors.ts';

/**
 * Writes the record, or checks that it matches.
 *
 * @param path of the note, JSON
 * @param mismatch makes the error from one text per differing fact, such as `seed: 1, given 2`
 * @throws KronaError as `mismatch` makes it; FILE_UNWRITABLE
 */
export async function claimFolder(
  path: string,
  facts: object,
  mismatch: (differences: readonly string[]) => KronaError,
): Promise<void> {
  const note = await readFileIfAny(path);
  if (note === null) return writeWhole(path, `${JSON.stringify(facts, null, 1)}\n`);
  const known = JSON.parse(note) as Record<string, unknown>;
  const given = facts as Record<string, unknown>;
  const differences = [...new Set([...Object.keys(known), ...Object.keys(given)])]
    .filter((key) => told(known[key]) !== told(given[key]))
    .map((key) => `${key}: ${told(known[key])}, given ${told(given[key])}`);
  if (differences.length > 0) throw mismatch(differences);
}

const told = (value: unknown): string =>
  value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value);
