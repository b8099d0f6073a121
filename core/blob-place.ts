/** @file Where photos, pictures and adapters are stored, as KRONA_BLOBS and `krona blobs copy` name it. */
import { resolve } from 'node:path';
import { KronaError } from './errors.ts';

export type BlobPlace =
  | { readonly kind: 'folder'; /** Absolute. */ readonly folder: string }
  | { readonly kind: 'postgres' }
  | {
      readonly kind: 'bucket';
      readonly bucket: string;
      /** What every name in the bucket begins with: empty, or with a closing slash. */
      readonly prefix: string;
    };

/**
 * Reads `s3://bucket/prefix`, `postgres` or the path of a folder.
 *
 * @param what - gave it, for the error
 * @throws KronaError KRONA_BLOBS_INVALID
 */
export function readBlobPlace(text: string, what = 'KRONA_BLOBS'): BlobPlace {
  if (text === 'postgres') return { kind: 'postgres' };
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(text)?.[1]?.toLowerCase();
  // One letter is a drive of Windows.
  if (scheme === undefined) return { kind: 'folder', folder: resolve(text) };
  // A bucket's name by S3's rules; a prefix of characters that need no escape in an address.
  const [, bucket, prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[\w.!-]+)*)\/?$/i.exec(text) ?? [];
  if (bucket !== undefined)
    return { kind: 'bucket', bucket, prefix: prefix === '' ? '' : `${prefix.slice(1)}/` };
  throw new KronaError(
    'KRONA_BLOBS_INVALID',
    scheme === 's3'
      ? `${what} must be s3://bucket or s3://bucket/prefix, in letters, digits, hyphens and dots.`
      : `${what} must be s3://bucket/prefix, postgres or a folder, not a ${scheme}: address.`,
  );
}
