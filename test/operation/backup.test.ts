/** A backup brings everything back: the same records, byte for byte, and the same files, also after an interruption. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import { dumpRecords, tableNames } from '../../storage/backup/dump.ts';
import { checkTables } from '../../storage/backup/load.ts';
import { takeBackupFolder } from '../../storage/backup/folder.ts';
import {
  blobFolder,
  readManifest,
  tableFile,
  tableFolder,
  type Manifest,
} from '../../storage/backup/manifest.ts';
import { restoreBackup } from '../../storage/backup/restore.ts';
import { embeddedDatabaseUrl } from '../../storage/embedded/database.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { connectDatabase } from '../../storage/postgres/database.ts';
import { raw } from '../../storage/postgres/sql.ts';
import { krona } from '../cli/run-krona.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { hasS3, startS3 } from '../storage/helpers/s3-server.ts';
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
      // Some programs end lines there.
      body: { kind: 'said', n, text: 'a\u2028b\u2029c\u0085d\r\n' },
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
    expect((await readdir(saved)).sort()).toEqual([
      'backup.lock.1',
      'blobs',
      expect.stringMatching(/^database-[0-9a-f-]{36}$/),
      'krona-backup.json',
    ]);
    // And nobody else on this machine reads it.
    for (const name of await readdir(saved, { recursive: true }))
      expect([name, (await stat(join(saved, name))).mode & 0o077]).toEqual([name, 0]);
    // Again into the same folder: nothing is new.
    expect(await run('backup', saved)).toMatchObject({ code: 0, copied: 1, dropped: 1 });
    expect(await run('backup', join(house.config.dataFolder, 'backup'))).toMatchObject({
      code: 1,
      error: { code: 'BACKUP_IN_DATA_FOLDER' },
    });
  });

  it('leaves the last backup as it was where the next one meets a full disk, and says which', async () => {
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const before = await readManifest(saved);
    // Files may get so long: less than one with the lines has.
    const shell = ['-c', 'ulimit -f 2 && exec "$0" bin/krona.js backup "$1" --json', process.execPath, saved];
    const failed = promisify(execFile)('bash', shell, { cwd: join(import.meta.dirname, '../..') });
    const { code, stdout } = await failed.then(
      () => ({ code: 0, stdout: '{}' }),
      (error: { code: number; stdout: string }) => error,
    );
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
      code: 1,
      error: { code: 'DISK_FULL' },
    });
    expect(await readManifest(saved)).toEqual(before);
    await checkTables(saved, before);
    expect(await run('backup', saved)).toMatchObject({ code: 0 });
    expect((await readdir(saved)).filter((name) => /^(database|next)/.test(name))).toHaveLength(1);
  });

  it('has a whole backup in its folder at any moment while the next one takes its place', async () => {
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const before = await readManifest(saved);
    // As a kill would leave it.
    const isWhole = async (): Promise<boolean> => {
      const manifest = await readManifest(saved).catch(() => null);
      if (manifest === null) return false;
      const isThere = manifest.tables.every(({ name }) =>
        existsSync(tableFile(tableFolder(saved, manifest), name)),
      );
      return isThere || (await readManifest(saved).catch(() => null))?.id !== manifest.id;
    };
    let broken = 0;
    let isRunning = true;
    const watching = (async () => {
      for (; isRunning; await nextTurn()) if (!(await isWhole())) broken += 1;
    })();
    expect(await run('backup', saved)).toMatchObject({ code: 0 });
    isRunning = false;
    await watching;
    expect(broken).toBe(0);
    expect((await readManifest(saved)).id).not.toBe(before.id);
  });

  it('takes a backup of an earlier release, and makes one of its own of it', async () => {
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const earlier = join(folder, 'earlier');
    await run('backup', earlier);
    const manifest = await readManifest(earlier);
    await rename(tableFolder(earlier, manifest), join(earlier, 'database'));
    await writeFile(join(earlier, 'krona-backup.json'), JSON.stringify({ ...manifest, format: 1 }));
    await checkTables(earlier, await readManifest(earlier));
    expect(await run('backup', earlier)).toMatchObject({ code: 0 });
    await checkTables(earlier, await readManifest(earlier));
    expect(await readdir(earlier)).not.toContain('database');
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
    const path = tableFile(tableFolder(saved, await readManifest(saved)), 'member');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, -1));
    expect(await run('restore', saved)).toMatchObject({ code: 1, error: { code: 'BACKUP_DAMAGED' } });
    await writeFile(path, bytes);
    expect(await run('restore', blobFolder(saved))).toMatchObject({
      code: 1,
      error: { code: 'BACKUP_MISSING' },
    });
  });

  it('writes into no folder that has anything else in it, and into none that another backup is written into', async () => {
    // Of another installation.
    const dataFolder = join(folder, 'other');
    await mkdir(join(dataFolder, 'database'), { recursive: true });
    await writeFile(join(dataFolder, 'database/PG_VERSION'), '18');
    await writeFile(join(dataFolder, 'secret'), 'hush-hush-hush-hush');
    await writeFile(join(dataFolder, 'moderator-key'), 'hush-hush-hush-hush');
    const link = join(folder, 'link');
    await symlink(dataFolder, link);
    const before = await readdir(dataFolder, { recursive: true });
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const notEmpty = { code: 1, error: { code: 'BACKUP_FOLDER_NOT_EMPTY' } };
    expect(await run('backup', dataFolder)).toMatchObject(notEmpty);
    expect(await run('backup', join(dataFolder, 'database'))).toMatchObject(notEmpty);
    vi.stubEnv('KRONA_DATA', dataFolder);
    const itself = { code: 1, error: { code: 'BACKUP_IN_DATA_FOLDER' } };
    for (const path of [link, join(link, 'new/folder')])
      expect(await run('backup', path)).toMatchObject(itself);
    expect(await readdir(dataFolder, { recursive: true })).toEqual(before);

    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    const release = await takeBackupFolder(saved, house.config);
    expect(await run('backup', saved)).toMatchObject({ code: 1, error: { code: 'BACKUP_FOLDER_IN_USE' } });
    await release();
    expect(await run('backup', saved)).toMatchObject({ code: 0 });
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

  it('names files that a backup has lost, and goes on when it has them again; files of others are none of it', async () => {
    const lossy = join(folder, 'lossy');
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    await run('backup', lossy);
    const database = connectDatabase(server.url, () => {});
    await database.query(raw('DROP SCHEMA IF EXISTS krona CASCADE'));
    await database.close();
    const { hash } = await house.storage.blobs.put(photo);
    const path = join(blobFolder(lossy), hash.slice(0, 2), hash.slice(2, 4), hash);
    await rename(path, join(folder, 'aside'));
    await writeFile(join(path, '../.nfs0001'), 'of the system');
    vi.stubEnv('KRONA_DATA', join(folder, 'lossy-target'));
    vi.stubEnv('DATABASE_URL', server.url);
    expect(await run('restore', lossy)).toMatchObject({ code: 1, copied: 1, damaged: [], missing: [hash] });
    await rename(join(folder, 'aside'), path);
    expect(await run('restore', lossy)).toMatchObject({ code: 0, copied: 1, missing: [] });
    expect(await run('restore', lossy)).toMatchObject({ code: 1, error: { code: 'RESTORE_NOT_EMPTY' } });
  });

  it('takes nothing of a backup that somebody has forged', async () => {
    const saved = join(folder, 'to-forge');
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    await run('backup', saved);
    const manifest = await readManifest(saved);
    const database = connectDatabase(server.url, () => {});
    await database.query(raw('DROP SCHEMA IF EXISTS krona CASCADE'));
    await database.query(raw('CREATE TABLE public.bystander ()'));
    const nowhere = async () => Promise.reject(new Error('no files'));
    const options = { signal: new AbortController().signal, onProgress: () => {} };
    const refused = async (change: (manifest: Manifest) => Partial<Manifest>, member?: Buffer) => {
      const path = tableFile(tableFolder(saved, manifest), 'member');
      const bytes = await readFile(path);
      if (member !== undefined) await writeFile(path, member);
      const sha256 = createHash('sha256')
        .update(member ?? bytes)
        .digest('hex');
      const tables = manifest.tables.map((table) => (table.name === 'member' ? { ...table, sha256 } : table));
      const forged = { ...manifest, tables, ...change({ ...manifest, tables }) };
      await writeFile(join(saved, 'krona-backup.json'), JSON.stringify(forged));
      const restoring = restoreBackup(
        saved,
        async () => ({ url: server.url, close: async () => {} }),
        nowhere,
        options,
      );
      await expect(restoring).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' });
      await writeFile(path, bytes);
    };
    const same = () => ({});
    await refused(() => ({ id: "x'; DROP TABLE public.bystander; --" }));
    await refused(({ tables }) => ({ tables: tables.filter(({ name }) => name !== 'photo') }));
    await refused(({ tables }) => ({ tables: [...tables, tables[0]!] }));
    await refused(({ tables }) => ({ tables: tables.map((table) => ({ ...table, rows: table.rows + 1 })) }));
    await refused(() => ({ sequences: { nothing: 1 } }));
    await refused(same, Buffer.from('no gzip'));
    await refused(same, gzipSync('no JSON\n'));
    await refused(same, gzipSync('{"id": 5}\n'));
    await refused(same, gzipSync(''));
    // 80 MB in one line, from 80 kB.
    await refused(same, gzipSync(Buffer.alloc(80_000_000, 'a')));
    const [row] = await database.query<{ bystander: string | null; krona: string | null }>(
      raw("SELECT to_regclass('public.bystander') AS bystander, to_regclass('krona.member') AS krona"),
    );
    expect(row).toEqual({ bystander: 'bystander', krona: null });
    await database.query(raw('DROP TABLE public.bystander'));
    await database.close();
  });

  it.skipIf(!hasS3)('and a bucket are saved and brought back', async () => {
    const s3 = await startS3();
    await s3.addBucket('krona');
    const { endpoint, keys } = s3.access;
    const bucket = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: keys!.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys!.secretAccessKey,
    };
    for (const [name, value] of Object.entries(bucket)) vi.stubEnv(name, value);
    const first = join(folder, 'to-the-bucket');
    vi.stubEnv('KRONA_DATA', house.config.dataFolder);
    await run('backup', first);
    const database = connectDatabase(server.url, () => {});
    await database.query(raw('DROP SCHEMA IF EXISTS krona CASCADE'));
    await database.close();
    vi.stubEnv('KRONA_DATA', join(folder, 'bucket-data'));
    vi.stubEnv('DATABASE_URL', server.url);
    vi.stubEnv('KRONA_BLOBS', 's3://krona/saved');
    expect(await run('restore', first)).toMatchObject({ code: 0, copied: 2, damaged: [], missing: [] });
    const again = join(folder, 'from-the-bucket');
    expect(await run('backup', again, '--check')).toMatchObject({
      code: 0,
      blobs: { count: 2, missing: [] },
    });
    const { hash } = await house.storage.blobs.put(photo);
    const copy = await (await openBlobFolder(blobFolder(again))).get(hash);
    expect(Buffer.from(copy).equals(photo)).toBe(true);
    await s3.kill();
    expect(await run('backup', again)).toMatchObject({ code: 1, error: { code: 'BLOBS_UNREACHABLE' } });
    await s3.start();
    await s3.stop();
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
