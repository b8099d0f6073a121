/** A database of an earlier release, with data in it, opens with all of that and with what has been added since. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectDatabase } from '../../storage/postgres/database.ts';
import { inspectDatabase } from '../../storage/postgres/inspect.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { raw, sql } from '../../storage/postgres/sql.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { startEmbedded, type Server } from './helpers/servers.ts';

const MIGRATIONS = 'storage/postgres/migrations';
/** The last before sweeps, pictures to begin with, speed files and blobs in the database. */
const BEFORE = 21;

const {
  negative: _negative,
  speed: _speed,
  upscale: _upscale,
  split: _split,
  quality: _quality,
  ...settings
} = DEFAULT_SETTINGS;
const own = JSON.stringify({ ...settings, a1: 4 });
const [channel, member, subject, run, duel] = Array.from({ length: 5 }, () => randomUUID()) as [
  string,
  string,
  string,
  string,
  string,
];
const [early, last, set, picture] = Array.from({ length: 4 }, () => randomUUID()) as [
  string,
  string,
  string,
  string,
];

let server: Server;
beforeAll(async () => {
  server = await startEmbedded();
  const database = connectDatabase(server.url, () => {});
  await database.query(raw('CREATE SCHEMA krona'));
  await database.query(
    raw(
      'CREATE TABLE krona.migration (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz)',
    ),
  );
  for (const name of (await readdir(MIGRATIONS)).sort()) {
    const number = Number.parseInt(name, 10);
    if (number > BEFORE) continue;
    await database.query(raw(await readFile(join(MIGRATIONS, name), 'utf8')));
    await database.query(sql`INSERT INTO krona.migration (number, name) VALUES (${number}, ${name})`);
  }
  const hash = 'ab'.repeat(32);
  await database.query(
    sql`INSERT INTO krona.channel (id, platform, external_id, name, settings) VALUES (${channel}, 'web', 'pets', 'pets', ${own}::jsonb)`,
  );
  await database.query(
    sql`INSERT INTO krona.member (id, platform, external_id, name) VALUES (${member}, 'web', 'ann', 'Ann')`,
  );
  await database.query(
    sql`INSERT INTO krona.subject (id, channel_id, name, name_key, class_name, token, owner_id) VALUES (${subject}, ${channel}, 'mochi', 'mochi', 'cat', 'zqkv', ${member})`,
  );
  await database.query(
    sql`INSERT INTO krona.run (id, channel_id, subject_id, member_id, state, settings, seed, photo_hashes, refinement) VALUES (${run}, ${channel}, ${subject}, ${member}, 'done', ${own}::jsonb, 1, ARRAY[${hash}], '{"from": "x", "votes": {"pairs": 3, "members": 2}, "kept": null}')`,
  );
  for (const [id, step] of [
    [early, 20],
    [last, 40],
  ] as const)
    await database.query(
      sql`INSERT INTO krona.adapter (id, run_id, subject_id, channel_id, step, final, blob_hash, size, settings) VALUES (${id}, ${run}, ${subject}, ${channel}, ${step}, ${step === 40}, ${hash}, 5, ${own}::jsonb)`,
    );
  await database.query(
    sql`INSERT INTO krona.picture_set (id, channel_id, member_id, kind, subject_id, prompt, seed, count, strength, settings, adapter_id, state) VALUES (${set}, ${channel}, ${member}, 'imagine', ${subject}, 'mochi at sea', 5, 1, 1, ${own}::jsonb, ${last}, 'done')`,
  );
  await database.query(
    sql`INSERT INTO krona.picture (id, set_id, index, blob_hash, width, height, seed, adapter_id) VALUES (${picture}, ${set}, 0, ${hash}, 64, 64, 5, ${last})`,
  );
  await database.query(
    sql`INSERT INTO krona.duel (id, channel_id, subject_id, member_id, first_id, second_id, prompts, swapped, seed, settings, state, ends_at) VALUES (${duel}, ${channel}, ${subject}, ${member}, ${early}, ${last}, ARRAY['mochi'], ARRAY[true], 1, ${own}::jsonb, 'open', now())`,
  );
  await database.close();
});
afterAll(() => server?.stop());

it('keeps what was there, and gives it the settings of its release', async () => {
  const records = await openRecords(server.url, () => {});
  const now = { ...DEFAULT_SETTINGS, a1: 4 };
  expect((await records.channelById(channel))!.settings).toEqual(now);
  expect(await records.run(run)).toMatchObject({ settings: now, sweep: null, scores: [] });
  expect(await records.runState(run)).toBeNull();
  expect(await records.set(set)).toMatchObject({ settings: { ...now, split: 'none' }, start: null });
  expect(await records.picture(picture)).toMatchObject({ prompt: null, adapterId: last });
  expect((await records.duel(duel))!.settings).toEqual(now);
  expect(await records.styles(channel)).toEqual([]);
  expect((await records.adapters(channel)).map(({ id }) => id)).toEqual([last, early]);
  // A job that comes again stores no adapter twice.
  const again = (await records.adapter(last))!;
  await records.addAdapter({ ...again, id: randomUUID() });
  expect(await records.adapters(channel)).toHaveLength(2);
  expect(await records.blobsInUse()).toEqual(new Set(['ab'.repeat(32)]));
  expect((await records.memberData(member)).sets).toHaveLength(1);
  await records.eraseMember(member);
  await records.close();
});

it('migrations that an earlier commit of main lacked before its last are made up for', async () => {
  const other = await startEmbedded();
  const database = connectDatabase(other.url, () => {});
  await database.query(raw('CREATE SCHEMA krona'));
  await database.query(
    raw(
      'CREATE TABLE krona.migration (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz)',
    ),
  );
  // As commit a8e17bd0 had them.
  for (const name of (await readdir(MIGRATIONS)).sort()) {
    const number = Number.parseInt(name, 10);
    if (number > 25 && number !== 31) continue;
    await database.query(raw(await readFile(join(MIGRATIONS, name), 'utf8')));
    await database.query(sql`INSERT INTO krona.migration (number, name) VALUES (${number}, ${name})`);
  }
  expect((await inspectDatabase(other.url)).pending).toContain('029-workers.sql');
  const records = await openRecords(other.url, () => {});
  expect(await records.workers()).toEqual([]);
  expect((await inspectDatabase(other.url)).pending).toEqual([]);
  await records.close();
  await database.close();
  await other.stop();
});

it('a database of a newer release is left alone', async () => {
  const database = connectDatabase(server.url, () => {});
  await database.query(sql`INSERT INTO krona.migration (number, name) VALUES (9999, 'of tomorrow')`);
  await expect(openRecords(server.url, () => {})).rejects.toMatchObject({ code: 'DATABASE_NEWER' });
  await database.query(sql`DELETE FROM krona.migration WHERE number = 9999`);
  await database.close();
});
