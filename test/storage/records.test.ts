/** @file Records on each database. */
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRecords } from '../../storage/records/postgres/record-store.ts';
import type { RecordStore } from '../../storage/records/contract.ts';
import { runRecordStoreTests } from './conformance/record-store.ts';
import { runFork, startEmbedded, startPostgres, type Server } from './helpers/servers.ts';

const servers = { 'the embedded database': startEmbedded, 'a PostgreSQL server': startPostgres };

describe.each(Object.entries(servers))('records on %s', (_name, start) => {
  let server: Server;
  const open = (): Promise<RecordStore> => openRecords(server.url, () => {});

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.stop());

  runRecordStoreTests(open);

  it('are as they were after a process is killed in the middle of a transaction', async () => {
    const records = await open();
    const channel = await records.channel('web', randomUUID(), 'pets');
    const member = await records.member('web', randomUUID(), 'Ann');
    const child = runFork('half-a-transaction.ts', [server.url, channel.id, member.id]);
    expect(await once(child, 'message')).toEqual(['written, not committed', undefined]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await records.subjects(channel.id)).toEqual([]);
    await records.close();
  });
});

it('say so when the server knows no such database', async () => {
  const server = await startPostgres();
  try {
    const opening = openRecords(server.url.replace('/postgres?', '/no_such?'), () => {});
    await expect(opening).rejects.toMatchObject({ code: 'DATABASE_REFUSED', retryable: false });
  } finally {
    await server.stop();
  }
});

it('say so when the database cannot be reached, without its password', async () => {
  const opening = openRecords('postgres://krona:topsecret@127.0.0.1:1/krona', () => {});
  await expect(opening).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
  await expect(opening).rejects.not.toThrow(/topsecret/);
});
