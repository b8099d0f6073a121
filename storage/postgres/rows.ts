/** @file What statements return: the one row that is there, or an error that says what is missing. */
import { KronaError } from '../../core/errors.ts';

/** The first row, null when there is none. */
export const firstRow = <Row>(rows: readonly Row[]): Row | null => rows[0] ?? null;

/** The row of a statement that always returns one, such as INSERT … RETURNING. @throws Error when it did not */
export function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('A statement that always returns a row returned none.');
  return row;
}

type Changeable = 'CHANNEL' | 'DUEL' | 'LINE' | 'PHOTO' | 'POST' | 'PULL' | 'RUN' | 'SET' | 'SUBJECT';

/**
 * The row that a statement about a record returned.
 *
 * @throws KronaError `<WHAT>_NOT_FOUND` when it returned none
 */
export function found<Row>(rows: readonly Row[], what: Changeable, id: string): Row {
  const [row] = rows;
  if (row !== undefined) return row;
  throw new KronaError(
    `${what}_NOT_FOUND`,
    `There is no ${what.toLowerCase()} ${id}; it may have been deleted.`,
  );
}
