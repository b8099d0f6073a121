/** A backup brings everything back: the same records, byte for byte, and the same files, also after an interruption. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { dumpRecords, tableNames } from '../../storage/backup/dump.ts';
import { blobFolder, readManifest, tableFile } from '../../storage/backup/manifest.ts';
import { restoreBackup } from '../../storage/backup/restore.ts';
import { embeddedDatabaseUrl } from '../../storage/embedded/database.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { connectDatabase } from '../../storage/postgres/database.ts';
import { raw } from '../../storage/postgres/sql.ts';
import { krona } from '../cli/run-krona.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { startPostgres, type Server } from '../storage/helpers/servers.ts';

let folder: string;
let house: TestHouse;
let photo: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-backup-'));
  house = await openHouse();
  photo = randomBytes(300_000);
  await fill(house);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await house.close();
  await rm(folder, { recursive: true });
});

/** A subject whose champion, adapter and run refer to each other in a circle, votes, lines, and a deleted photo's blob. */
async function fill({ storage: { records, blobs } }: TestHouse): Promise<void> {
  const channel = await records.channel('web', 'general', 'general');
  const member = await records.member('web', 'ada', 'Ada “the first” \\ 0');
  const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: member.id }));
  const { hash, size } = await blobs.put(photo);
  const photos = { subjectId: subject.id, memberId: member.id, blobHash: hash, size, width: 8, height: 8 };
  await records.addPhoto({ id: randomUUID(), ...photos, fileName: 'é\t"x".png' });
  const run = await records.addRun(
    newRun(subject, { photoHashes: [hash], state: 'running', seed: 2 ** 52 + 1 }),
  );
  await records.updateRun(run.id, { losses: [{ step: 1, loss: 0.1 + 0.2 }], startedAt: new Date() });
  const file = await blobs.put(Buffer.from('an adapter'));
  const adapter = { runId: run.id, subjectId: subject.id, channelId: channel.id, step: 5, final: true };
  const adapterId = randomUUID();
  await records.addAdapter({
    id: adapterId,
    ...adapter,
    blobHash: file.hash,
    size: file.size,
    settings: run.settings,
  });
  await records.setChampion(subject.id, adapterId, true);
  const set = await records.addSet(
    newSet({ channelId: channel.id, memberId: member.id, adapterId, subjectId: subject.id }),
  );
  const picture = { setId: set.id, index: 0, blobHash: hash, size, width: 8, height: 8, seed: 1, adapterId };
  const pictureId = randomUUID();
  await records.addPicture({ id: pictureId, ...picture });
  for (const added of [true, false])
    await records.addVote({ pictureId, memberId: member.id, emoji: '❤️', added });
  await records.addAudit({ channelId: channel.id, memberId: member.id, action: 'train', details: 'mochi' });
  for (let n = 0; n < 1200; n++)
    await records.addLine({
      id: randomUUID(),
      channelId: channel.id,
      memberId: member.id,
      body: { kind: 'said', n },
    });
  await blobs.put(Buffer.from('nobody needs this'));
}

/** All records of a database as a backup has them: the sums of its tables. */
async function sums(url: string): Promise<Record<string, string>> {
  const database = connectDatabase(url, () => {});
  const into = await mkdtemp(join(folder, 'sums-'));
  const { tables } = await dumpRecords(database, into, 0);
  await database.close();
  return Object.fromEntries(tables.map(({ name, sha256 }) => [name, sha256]));
}

const run = async (command: string, ...words: string[]) => {
  const { code, stdout } = await krona(command, ...words, '--json');
  const result = JSON.parse(stdout) as { readonly error?: { readonly code: string }; readonly rows?: number };
  return { code, ...result };
};

describe('krona backup and restore', () => {
  let saved: string;
  beforeAll(() => {
    saved = join(folder, 'saved');
  });

  it('saves records and files while Krona runs, without what nothing needs', async () => {
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const result = await run('backup', saved);
    expect(result).toMatchObject({ code: 0, blobs: { count: 2, missing: [] }, copied: 3, dropped: 1 });
    expect(result.rows).toBeGreaterThan(1200);
    // Neither Krona's keys nor the queue.
    expect((await readdir(saved)).sort()).toEqual(['blobs', 'database', 'krona-backup.json']);
    // Again into the same folder: nothing is new.
    expect(await run('backup', saved)).toMatchObject({ code: 0, copied: 1, dropped: 1 });
    expect(await run('backup', join(house.config.dataFolder, 'backup'))).toMatchObject({
      code: 1,
      error: { code: 'BACKUP_IN_DATA_FOLDER' },
    });
  });

  it('restores into an empty installation, once', async () => {
    const before = await sums(await embeddedDatabaseUrl(house.config));
    const target = join(folder, 'target');
    vi.stubEnv('KRONA_DATA', target);
    expect(await run('restore', saved)).toMatchObject({ code: 0, copied: 2, damaged: [] });
    expect(await run('restore', saved)).toMatchObject({ code: 1, error: { code: 'RESTORE_NOT_EMPTY' } });
    const blobs = await openBlobFolder(join(target, 'blobs'));
    const { hash } = await house.storage.blobs.put(photo);
    expect(Buffer.from(await blobs.get(hash)).equals(photo)).toBe(true);
    // And is saved as it was.
    const again = join(folder, 'again');
    expect(await run('backup', again)).toMatchObject({ code: 0, blobs: { count: 2, missing: [] } });
    const { tables } = await readManifest(again);
    expect(Object.fromEntries(tables.map(({ name, sha256 }) => [name, sha256]))).toEqual(before);
  });

  it('refuses a backup that is damaged or was interrupted, before it changes anything', async () => {
    vi.stubEnv('KRONA_DATA', join(folder, 'untouched'));
    const path = tableFile(saved, 'member');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, -1));
    expect(await run('restore', saved)).toMatchObject({ code: 1, error: { code: 'BACKUP_DAMAGED' } });
    await writeFile(path, bytes);
    expect(await run('restore', blobFolder(saved))).toMatchObject({
      code: 1,
      error: { code: 'BACKUP_MISSING' },
    });
  });

  it('`krona upgrade --check` finds nothing to change, and names migrations that wait', async () => {
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    expect(await run('upgrade', '--check')).toMatchObject({ code: 0, ok: true, pending: [] });
    expect(await run('upgrade')).toMatchObject({ code: 1, error: { code: 'UPGRADE_BY_START' } });
    const database = connectDatabase(await embeddedDatabaseUrl(house.config), () => {});
    await database.query(raw("INSERT INTO krona.migration (number, name) VALUES (999, '999-later.sql')"));
    expect(await run('upgrade', '--check')).toMatchObject({ code: 1, ok: false, migration: 999 });
    await database.query(raw('DELETE FROM krona.migration WHERE number = 999'));
    await database.close();
  });
});

describe('a PostgreSQL server', () => {
  let server: Server;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it('takes the backup of an embedded database, goes on after an interruption, and works', async () => {
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const saved = join(folder, 'moved');
    await run('backup', saved);
    const target = await openBlobFolder(join(folder, 'server-blobs'));
    const database = async () => ({ url: server.url, close: async () => {} });
    const options = { signal: new AbortController().signal, onProgress: () => {} };
    const stopped = async () => Promise.reject(new Error('stopped'));
    // Its records are there, and its files are not.
    await expect(restoreBackup(saved, database, stopped, options)).rejects.toThrow('stopped');
    const result = await restoreBackup(saved, database, async () => target, options);
    expect(result).toMatchObject({ copied: 2, damaged: [] });
    expect(await sums(server.url)).toEqual(await sums(await embeddedDatabaseUrl(house.config)));
    // New records get new numbers, and refer to restored ones.
    const records = await openRecords(server.url, () => {});
    const channel = await records.channel('web', 'general', 'general');
    const [last] = await records.lines(channel.id, 0, 1);
    const line = await records.addLine({ id: randomUUID(), channelId: channel.id, memberId: null, body: {} });
    expect(line.revision).toBeGreaterThan(last!.revision);
    await records.deleteChannel(channel.id);
    await records.close();
  });

  it('is saved whole, table by table', async () => {
    const database = connectDatabase(server.url, () => {});
    const names = await tableNames(database);
    await database.close();
    expect(names).toContain('audit_entry');
    // Files are copied as files, and nobody else's tables are read.
    expect(names.filter((name) => /^(blob|migration)/.test(name))).toEqual([]);
  });
});
