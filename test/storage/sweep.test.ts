/** Blobs that nothing names any more are removed, and no others, also while members send files. */
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { sweepBlobs } from '../../storage/sweep.ts';

let folder: string;
let blobs: BlobStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  blobs = await openBlobFolder(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const put = async (text: string, daysOld: number): Promise<string> => {
  const { hash } = await blobs.put(Buffer.from(text));
  const time = new Date(Date.now() - daysOld * 24 * 3600_000);
  await utimes((await blobs.localPath(hash))!, time, time);
  return hash;
};
const there = async (hash: string) => (await blobs.stat(hash)) !== null;

it('removes what is old and unnamed, and keeps what is named or young', async () => {
  const [named, unnamed, young] = [await put('named', 9), await put('unnamed', 9), await put('young', 0.5)];
  const removed = await sweepBlobs({ blobsInUse: async () => new Set([named]) }, blobs);
  expect(removed).toBe(1);
  expect([await there(named), await there(unnamed), await there(young)]).toEqual([true, false, true]);
});

it('keeps a file that somebody sends again while the sweep is under way', async () => {
  const again = await put('the same cat', 9);
  const records = {
    // The photo comes after the list was made, and its record is written after the records were read.
    blobsInUse: async () => {
      await blobs.put(Buffer.from('the same cat'));
      return new Set<string>();
    },
  };
  await sweepBlobs(records, blobs);
  expect(await there(again)).toBe(true);
});
