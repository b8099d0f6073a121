/** Blobs in PostgreSQL: a server, and the embedded database. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { openBlobTable } from '../../storage/blobs/table.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { runBlobStoreTests } from './conformance/blob-store.ts';
import { type Server, startEmbedded, startPostgres } from './helpers/servers.ts';

describe.each([
  ['PostgreSQL', startPostgres],
  ['the embedded database', startEmbedded],
])('blobs in %s', (_, start) => {
  let server: Server;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
    server = await start();
    await (await openRecords(server.url, () => {})).close();
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true });
  });
  const open = (): Promise<BlobStore> => openBlobTable(server.url, join(folder, 'sending'), () => {});

  runBlobStoreTests(open);

  it('leave nothing in the folder that they were sent from', async () => {
    const blobs = await open();
    await blobs.put(Readable.from([randomBytes(9_000_000)]));
    expect(await readdir(join(folder, 'sending'))).toEqual([]);
    await blobs.close();
  });
});
