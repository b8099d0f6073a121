/** @file Names of blobs, and the errors about them that all stores have in common. */
import { KronaError } from '../../core/errors.ts';
import { diskProblem, diskReadOnly } from '../../core/files.ts';

const NAME = /^[0-9a-f]{64}$/;

export const isBlobName = (text: string): boolean => NAME.test(text);

/** Returns the name. @throws KronaError BLOB_NAME_INVALID: it would become part of a path or an address */
export function checkedName(hash: string): string {
  if (isBlobName(hash)) return hash;
  throw new KronaError('BLOB_NAME_INVALID', "A blob's name is its SHA-256: 64 lower-case hex digits.");
}

export const blobMissing = (hash: string): KronaError =>
  new KronaError('BLOB_NOT_FOUND', `There is no blob ${hash}; it may have been deleted.`);

/** DISK_FULL or DISK_READ_ONLY for the errors of such a disk; any other error stays as it is. */
export function asDiskError(error: unknown): unknown {
  const problem = diskProblem(error);
  if (problem === 'read-only') return diskReadOnly(error);
  if (problem === null) return error;
  return new KronaError(
    'DISK_FULL',
    'The disk is full, so nothing was stored. Free some space and try again.',
    { cause: error, retryable: true },
  );
}
