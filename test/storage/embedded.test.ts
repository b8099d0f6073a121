/** @file The embedded database: who may own it, who may connect, and what survives whose death. */
import { PGlite } from '@electric-sql/pglite';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import { readConfig } from '../../core/config.ts';
import { embeddedDatabaseUrl, startEmbeddedDatabase, tidy } from '../../storage/embedded/database.ts';
import { folderOwner, lockFolder } from '../../storage/embedded/folder-lock.ts';
import { serveDatabase } from '../../storage/embedded/wire-server.ts';
import { openStorage } from '../../storage/open.ts';
import { runFork, serveEmbedded } from './helpers/servers.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the data folder', () => {
  it('has one owner at a time; other processes connect to it, and find everything after a kill', async () => {
    // So deep that a Unix socket's path would not fit.
    const config = await readConfig({ KRONA_DATA: join(folder, 'deep/'.repeat(25)) });
    await expect(openStorage(config)).rejects.toMatchObject({ code: 'EMBEDDED_DATABASE_NOT_RUNNING' });

    const first = await serveEmbedded(config.dataFolder);
    await expect(startEmbeddedDatabase(config)).rejects.toMatchObject({ code: 'DATA_FOLDER_IN_USE' });
    expect(await embeddedDatabaseUrl(config)).toBe(first.url);
    const socketFolder = new URL(first.url).searchParams.get('host')!;
    expect((await stat(socketFolder)).mode & 0o077).toBe(0);

    const bot = await openStorage(config);
    const channel = await bot.records.channel('web', 'pets', 'pets');
    const id = randomUUID();
    await bot.jobs.enqueue('train', id, { runId: id });

    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await expect(bot.records.channelById(channel.id)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await expect(embeddedDatabaseUrl(config)).rejects.toMatchObject({
      code: 'EMBEDDED_DATABASE_NOT_RUNNING',
    });
    await bot.close();

    const second = await serveEmbedded(config.dataFolder);
    const again = await openStorage(config);
    expect(await again.records.channelById(channel.id)).toEqual(channel);
    expect(await again.jobs.state('train', id)).toBe('waiting');
    // Space and log are looked after while others are connected.
    await tidy(second.url);
    expect(await again.jobs.position('train', id)).toBe(1);
    await again.close();
    second.child.send('stop');
    await once(second.child, 'exit');
    await expect(stat(socketFolder)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  /** The lock file that counts. */
  const newestLock = async () => {
    const names = (await readdir(folder)).filter((name) => /^database\.lock\.\d+$/.test(name));
    const numbers = names.map((name) => Number(name.split('.').at(-1)));
    return join(folder, `database.lock.${Math.max(...numbers)}`);
  };

  it('is taken over by one process when its owner is gone', async () => {
    await writeFile(join(folder, 'database.lock'), '{"pid":1}');
    let release = await lockFolder(folder, folder);
    const lost = { id: '0123abcd', machine: 'another start', socketFolder: '/nowhere' };
    // It is a part of a path that is removed.
    const foreign = { ...lost, id: '/../../victim', socketFolder: folder };
    // A power cut leaves files empty or full of zeros.
    const zeros = '\0'.repeat(90);
    for (const left of [lost, foreign, { pid: 1 }, '', zeros, zeros + '"}'].map((each) =>
      typeof each === 'string' ? each : JSON.stringify(each),
    )) {
      await release();
      await writeFile(await newestLock(), left);
      expect(await folderOwner(folder)).toBeNull();
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder, folder)));
      const owners = tries.filter((result) => result.status === 'fulfilled');
      expect(owners).toHaveLength(1);
      expect((await folderOwner(folder))!.socketFolder).toBe(folder);
      release = owners[0]!.value;
    }
    await release();
    expect(await folderOwner(folder)).toBeNull();
  });

  it('has one owner, also where many processes find at once that the last was killed', async () => {
    const killed = runFork('lock-taker.ts', [folder]);
    await once(killed, 'message');
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const takers = Array.from({ length: 6 }, () => runFork('lock-taker.ts', [folder, 'wait']));
    await Promise.all(takers.map((taker) => once(taker, 'message')));
    const answers = Promise.all(takers.map((taker) => once(taker, 'message')));
    for (const taker of takers) taker.send('go');
    expect((await answers).flat().filter((answer) => answer === 'owner')).toHaveLength(1);
    const ends = takers.map((taker) => once(taker, 'exit'));
    for (const taker of takers) taker.kill('SIGKILL');
    await Promise.all(ends);
  });

  it("stays with an owner that is known only by its file's time, as on another machine", async () => {
    const unlock = await lockFolder(folder, folder);
    const lock = await newestLock();
    const owner = JSON.parse(await readFile(lock, 'utf8')) as object;
    await writeFile(lock, JSON.stringify({ ...owner, machine: 'another', socketFolder: '/elsewhere' }));
    await expect(lockFolder(folder, folder)).rejects.toMatchObject({ code: 'DATA_FOLDER_IN_USE' });
    await writeFile(lock, JSON.stringify(owner));
    await unlock();
  });

  it.skipIf(spawnSync('unshare', ['-rpf', '--mount-proc', 'true']).status !== 0)(
    "is refused to a process in another container, which can't see the owner's process",
    async () => {
      const data = join(folder, 'shared');
      const owner = await serveEmbedded(data);
      const server = join(import.meta.dirname, 'helpers', 'embedded-server.ts');
      const second = spawnSync(
        'unshare',
        ['-rpf', '--mount-proc', process.execPath, ...nodeOptions, server, data],
        { encoding: 'utf8' },
      );
      expect(second.stderr).toContain('DATA_FOLDER_IN_USE');
      owner.child.send('stop');
      await once(owner.child, 'exit');
    },
    60_000,
  );

  it('is closed to other users with everything in it, also after an earlier release left it open', async () => {
    const data = join(folder, 'open');
    await mkdir(join(data, 'blobs', 'ab'), { recursive: true, mode: 0o755 });
    await writeFile(join(data, 'blobs', 'ab', 'photo'), 'bytes', { mode: 0o666 });
    await chmod(data, 0o777);
    const database = await startEmbeddedDatabase({ dataFolder: data });
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query('CREATE TABLE pet AS SELECT generate_series(1, 100000) AS number');
    const open: string[] = [];
    for (const name of ['.', ...(await readdir(data, { recursive: true }))])
      if (((await lstat(join(data, name))).mode & 0o077) !== 0) open.push(name);
    await client.end();
    await database.close();
    // A socket is as open as its folder.
    expect(open.filter((name) => !name.startsWith('socket/'))).toEqual([]);
  });
});

/** Bytes in JavaScript's heap, without what is about to be freed. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('clients that share the one session', () => {
  const IDLE = 400;
  let database: PGlite;
  let server: { close(): Promise<void> };
  const newClient = async (): Promise<pg.Client> => {
    const client = new pg.Client({ host: folder, user: 'postgres', database: 'postgres' });
    client.on('error', () => {});
    await client.connect();
    return client;
  };

  beforeAll(async () => {
    database = await PGlite.create();
    server = await serveDatabase(database, join(folder, '.s.PGSQL.5432'), { idleInTransaction: IDLE });
  });
  afterAll(async () => {
    await server.close();
    await database.close();
  });

  it("receive each other's notifications", async () => {
    const [speaker, listener] = await Promise.all([newClient(), newClient()]);
    await listener.query('LISTEN news');
    const heard = once(listener, 'notification');
    await speaker.query(`SELECT pg_notify('news', 'a new job')`);
    expect(await heard).toMatchObject([{ channel: 'news', payload: 'a new job' }]);
    await Promise.all([speaker.end(), listener.end()]);
  });

  it('get the error of their own query and continue', async () => {
    const [one, other] = await Promise.all([newClient(), newClient()]);
    const wrong = one.query('SELECT $1::int', ['x']);
    const right = other.query<{ sum: number }>('SELECT $1::int + 1 AS sum', [1]);
    await expect(wrong).rejects.toMatchObject({ code: '22P02' });
    expect((await right).rows).toEqual([{ sum: 2 }]);
    expect((await one.query('SELECT 1')).rowCount).toBe(1);
    await Promise.all([one.end(), other.end()]);
  });

  it('leave nothing of their answers in memory', async () => {
    const client = await newClient();
    const ask = () => client.query(`SELECT repeat('x', 1000000) AS text`);
    await ask();
    const before = memoryInUse();
    for (let n = 0; n < 60; n++) await ask();
    expect(memoryInUse() - before).toBeLessThan(20e6);
    await client.end();
  });

  it('get a database that was opened again after a panic, as on a full disk', async () => {
    const detail = Buffer.from('SPANIC\0VPANIC\0C53100\0Mno space left\0\0');
    const panic = Buffer.concat([Buffer.from([69, 0, 0, 0, 4 + detail.length]), detail]);
    const dead = {
      runExclusive: (work: () => unknown) => work(),
      isInTransaction: () => false,
      execProtocol: async (bytes: Uint8Array) => {
        if (bytes[0] === 'Q'.charCodeAt(0)) return { data: panic };
        return database.execProtocol(bytes, { throwOnError: false });
      },
    } as unknown as PGlite;
    const path = join(folder, '.s.PGSQL.5433');
    let tries = 0;
    const reopen = async () => {
      if (++tries === 1) throw new Error('the disk is still full');
      return database;
    };
    const other = await serveDatabase(dead, path, { reopen });
    const ask = async () => {
      const client = new pg.Client({ host: folder, port: 5433, user: 'postgres', database: 'postgres' });
      client.on('error', () => {});
      try {
        await client.connect();
        return (await client.query('SELECT 1')).rowCount;
      } finally {
        await client.end().catch(() => {});
      }
    };
    await expect(ask()).rejects.toMatchObject({ code: '53100' });
    await vi.waitFor(async () => expect(await ask()).toBe(1), 10_000);
    expect(tries).toBe(2);
    await other.close();
  });

  it("don't wait forever for one that is silent in a transaction", async () => {
    const [silent, other] = await Promise.all([newClient(), newClient()]);
    await silent.query('CREATE TABLE pet (name text)');
    await silent.query('BEGIN');
    await silent.query(`INSERT INTO pet VALUES ('mochi')`);
    const cutOff = (client: pg.Client) => new Promise<void>((resolve) => client.once('end', resolve));
    const cut = cutOff(silent);
    expect((await other.query('SELECT * FROM pet')).rows).toEqual([]);
    await cut;

    // A transaction that ended in time leaves its client alone: one that begins later is cut off, it is not.
    await other.query('BEGIN');
    await other.query('COMMIT');
    const later = await newClient();
    await later.query('BEGIN');
    await cutOff(later);
    expect((await other.query('SELECT 1')).rowCount).toBe(1);
    await other.end();
  });

  it('are rolled back when they disconnect, even during a query', async () => {
    const vanishing = await newClient();
    await vanishing.query('CREATE TABLE pal (name text)');
    await vanishing.query('BEGIN');
    await vanishing.query(`INSERT INTO pal VALUES ('mochi')`);
    void vanishing.query('SELECT count(*) FROM generate_series(1, 100000)').catch(() => {});
    (vanishing as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    const other = await newClient();
    await vi.waitFor(async () => expect((await other.query('SELECT * FROM pal')).rows).toEqual([]));
    await other.end();
  });
});
