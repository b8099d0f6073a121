/** @file Notices that a process was told another place for blobs than those that share its database. */
import type { RecordStore } from '../records.ts';
import type { BlobStore } from './contract.ts';

/** Blobs looked for: one or the other can be lost, all of them can't. */
const LOOKED_FOR = 10;

/** Whether blobs that the records name are missing, all that were looked for: bot and worker then don't share a place. */
export async function areBlobsElsewhere(
  records: Pick<RecordStore, 'blobsInUse'>,
  blobs: Pick<BlobStore, 'stat'>,
): Promise<boolean> {
  const some = [...(await records.blobsInUse())].slice(0, LOOKED_FOR);
  for (const hash of some) if ((await blobs.stat(hash)) !== null) return false;
  return some.length > 0;
}
