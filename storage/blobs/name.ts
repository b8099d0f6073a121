/** @file Names of blobs, and the errors about them that all stores have in common. */
import { KronaError } from '../../core/errors.ts';
import { isFileError } from '../../core/files.ts';

const NAME = /^[0-9a-f]{64}$/;

export const isBlobName = (text: string): boolean => NAME.test(text);

/** Returns the name. @throws KronaError BLOB_NAME_INVALID: it would become part of a path or an address */
export function checkedName(hash: string): string {
  if (isBlobName(hash)) return hash;
  throw new KronaError('BLOB_NAME_INVALID', "A blob's name is its SHA-256: 64 lower-case hex digits.");
}

export const blobMissing = (hash: string): KronaError =>
  new KronaError('BLOB_NOT_FOUND', `There is no blob ${hash}; it may have been deleted.`);

/** DISK_FULL for the errors of a full disk; any other error stays as it is. */
export function asDiskFull(error: unknown): unknown {
  if (!isFileError(error, 'ENOSPC') && !isFileError(error, 'EDQUOT')) return error;
  return new KronaError(
    'DISK_FULL',
    'The disk is full, so nothing was stored. Free some space and try again.',
    { cause: error, retryable: true },
  );
}
