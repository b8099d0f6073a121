/** @file Opens the blobs at a place. */
import { join } from 'node:path';
import type { BlobPlace } from '../../core/blob-place.ts';
import type { BucketAccess } from '../../core/environment.ts';
import type { BlobStore } from './contract.ts';
import { openBlobFolder } from './folder.ts';
import { openBlobTable } from './table.ts';

export interface BlobSurroundings {
  /** Large blobs lie in it until they are sent. */
  readonly dataFolder: string;
  /** The address of a database that is migrated. */
  readonly database: () => Promise<string>;
  readonly bucketAccess: BucketAccess;
  /** Receives faults that the store recovers from. */
  readonly onError: (error: Error) => void;
}

/** @throws KronaError BLOBS_* for a bucket that can't be used */
export async function openBlobs(place: BlobPlace, around: BlobSurroundings): Promise<BlobStore> {
  if (place.kind === 'folder') return openBlobFolder(place.folder);
  const spoolFolder = join(around.dataFolder, 'sending');
  if (place.kind === 'postgres') return openBlobTable(await around.database(), spoolFolder, around.onError);
  // The client takes time to load and some 25 MB.
  const { openBlobBucket } = await import('./bucket/store.ts');
  return openBlobBucket(place, around.bucketAccess, spoolFolder);
}
