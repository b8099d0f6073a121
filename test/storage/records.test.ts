/** @file Records on each database. */
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDatabase } from '../../storage/postgres/database.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { raw, sql } from '../../storage/postgres/sql.ts';
import type { RecordStore } from '../../storage/records.ts';
import { DEFAULT_SETTINGS, startingSettings } from '../../core/settings/defaults.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import { runDuelRecordTests } from './conformance/duel-records.ts';
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
  runDuelRecordTests(open);

  it('are unchanged after a process is killed during a transaction', async () => {
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

  it('of a release without training settings get the settings of that release', async () => {
    const before = await open();
    const channel = await before.channel('web', randomUUID(), 'pets');
    const untouched = await before.channel('web', randomUUID(), 'robots');
    const { id: ownerId } = await before.member('web', randomUUID(), 'Ann');
    const trainings = 'targets batch lrSchedule warmup prior mask crop flip buckets minSnr offsetNoise'.split(
      ' ',
    );
    const settings = Object.fromEntries(
      Object.entries({ ...DEFAULT_SETTINGS, a1: 8 }).filter(([name]) => !trainings.includes(name)),
    ) as unknown as ChannelSettings;
    await before.saveSettings(channel.id, settings);
    const subject = {
      id: randomUUID(),
      channelId: channel.id,
      name: 'Mochi',
      className: 'cat',
      token: 'zqkv',
    };
    await before.addSubject({ ...subject, ownerId });
    const { id } = await before.addRun({
      id: randomUUID(),
      channelId: channel.id,
      subjectId: subject.id,
      memberId: ownerId,
      state: 'queued',
      settings,
      seed: 1,
      photoHashes: [],
    });
    await before.close();
    const database = connectDatabase(server.url, () => {});
    await database.query(raw(await readFile('storage/postgres/migrations/011-training.sql', 'utf8')));
    await database.close();

    const records = await open();
    const asThen = { ...DEFAULT_SETTINGS, a1: 8, targets: 'attention' };
    expect((await records.channelById(channel.id))!.settings).toEqual(asThen);
    expect((await records.run(id))!.settings).toEqual(asThen);
    expect((await records.channelById(untouched.id))!.settings).toEqual(
      startingSettings(await records.modelCard()),
    );
    await records.close();
  });

  it('that a newer release has migrated are refused by name, and opened again by that release', async () => {
    const database = connectDatabase(server.url, () => {});
    await database.query(sql`INSERT INTO krona.migration (number, name) VALUES (9999, 'later.sql')`);
    await expect(open()).rejects.toMatchObject({
      code: 'DATABASE_NEWER',
      message: expect.stringMatching(/has migration 9999, .* Start the newer release/) as string,
    });
    await database.query(sql`DELETE FROM krona.migration WHERE number = 9999`);
    await database.close();
    await (await open()).close();
  });
});

it('report that the server has no such database', async () => {
  const server = await startPostgres();
  try {
    const opening = openRecords(server.url.replace('/postgres?', '/no_such?'), () => {});
    await expect(opening).rejects.toMatchObject({ code: 'DATABASE_REFUSED', retryable: false });
  } finally {
    await server.stop();
  }
});

it('report an unreachable database without its password', async () => {
  const opening = openRecords('postgres://krona:topsecret@127.0.0.1:1/krona', () => {});
  await expect(opening).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
  await expect(opening).rejects.not.toThrow(/topsecret/);
});
