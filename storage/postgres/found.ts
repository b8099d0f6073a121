/** @file The error for a change to a record that is not there. */
import { KronaError } from '../../core/errors.ts';

/** @throws KronaError `<WHAT>_NOT_FOUND` when a changing statement returned no row. */
export function found(rows: readonly unknown[], what: string, id: string): void {
  if (rows.length > 0) return;
  throw new KronaError(
    `${what}_NOT_FOUND`,
    `There is no ${what.toLowerCase()} ${id}; it may have been deleted.`,
  );
}
