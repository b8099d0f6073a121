/**
 * @file The embedded database: PGlite in the data folder, served to bot and worker on a Unix socket in a folder
 * that only this user can enter. Exactly one process owns it (`krona start`); the others connect. Committed data
 * survives a crash of any process. PGlite does not wait for the disk, so a power cut can lose the last seconds; a
 * PostgreSQL server (DATABASE_URL) avoids that.
 */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, rm, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Config } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { StorageOptions } from '../options.ts';
import { makePrivateFolder } from '../../core/private-files.ts';
import { folderOwner, lockFolder } from './folder-lock.ts';
import { serveDatabase } from './wire-server.ts';

export interface EmbeddedDatabase {
  /** Connection string for `pg`, in this or another process. */
  readonly url: string;
  /** Closes all connections, writes everything to disk and releases the folder. */
  close(): Promise<void>;
}

/**
 * Opens the data folder's database, creating it at the first start (takes seconds), and serves it until `close`.
 *
 * @throws KronaError DATA_FOLDER_IN_USE when another process serves this folder; FILE_UNWRITABLE, DISK_FULL
 */
export async function startEmbeddedDatabase(
  config: Pick<Config, 'dataFolder'>,
  { onError = () => {} }: StorageOptions = {},
): Promise<EmbeddedDatabase> {
  await makePrivateFolder(config.dataFolder);
  const socketFolder = await makeSocketFolder(config.dataFolder);
  const unlock = await lockFolder(config.dataFolder, socketFolder);
  const release = async (): Promise<void> => {
    await unlock();
    // Unless the next owner is using it already.
    await rmdir(socketFolder).catch(() => undefined);
  };
  try {
    const path = join(socketFolder, SOCKET_NAME);
    await rm(path, { force: true });
    // Imported here so that only the process that serves it pays the 50 MB.
    const [{ PGlite }, { PrivateNodeFs }] = await Promise.all([
      import('@electric-sql/pglite'),
      import('./private-node-fs.ts'),
    ]);
    await makePrivateFolder(join(config.dataFolder, 'database'));
    const open = () => PGlite.create({ fs: new PrivateNodeFs(join(config.dataFolder, 'database')) });
    let database = await open();
    const reopen = async () => {
      await needRoom(config.dataFolder);
      return (database = await open());
    };
    const server = await serveDatabase(database, path, { reopen });
    const url = socketUrl(socketFolder);
    const tidying = setInterval(() => void tidy(url).catch(onError), TIDY_INTERVAL).unref();
    return {
      url,
      async close() {
        clearInterval(tidying);
        await server.close();
        await database.close();
        await release();
      },
    };
  } catch (error) {
    await release();
    // PGlite does not say that it ended for lack of space.
    if (!(error instanceof KronaError)) await needRoom(config.dataFolder);
    throw error;
  }
}

/** Bytes that a database needs to open after a full disk: its log grows by 16 MiB. */
const ROOM = 20 * 1024 ** 2;

/** Each try to open a database costs some 200 MB of memory. @throws KronaError DISK_FULL */
async function needRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < ROOM)
    throw new KronaError('DISK_FULL', 'The disk of the database is full. Free some space and try again.', {
      retryable: true,
    });
}

/** How often the database is vacuumed, ms. */
const TIDY_INTERVAL = 10 * 60_000;

/**
 * Does the work of PostgreSQL's background processes, which PGlite lacks: the space of old row versions is reused (a
 * run's row gets a new version every second), and the log that is replayed after a crash stays short.
 */
export async function tidy(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('VACUUM');
    await client.query('CHECKPOINT');
  } finally {
    await client.end();
  }
}

/**
 * Returns the connection string of the data folder's database, which another process serves.
 *
 * @throws KronaError EMBEDDED_DATABASE_NOT_RUNNING
 */
export async function embeddedDatabaseUrl(config: Pick<Config, 'dataFolder'>): Promise<string> {
  const owner = await folderOwner(config.dataFolder);
  if (owner !== null) return socketUrl(owner.socketFolder);
  throw new KronaError(
    'EMBEDDED_DATABASE_NOT_RUNNING',
    'The embedded database of the data folder is not running. Run `krona start`, or set DATABASE_URL to a PostgreSQL server.',
    { retryable: true },
  );
}

/** Clients that get a folder as host look for this name in it (`.s.PGSQL.<port>`). */
const SOCKET_NAME = '.s.PGSQL.5432';

/** Longest path of a Unix socket, bytes: 108 on Linux, 104 on macOS, including the closing zero. */
const MAX_SOCKET_PATH = 103;

const socketUrl = (folder: string): string =>
  `postgres:///postgres?user=postgres&host=${encodeURIComponent(folder)}`;

/**
 * Makes the socket's folder, which only this user can enter: in the data folder, or in the temporary folder when that
 * path is too long. It is the same at every start, so bot and worker find the database again after a restart.
 */
async function makeSocketFolder(dataFolder: string): Promise<string> {
  const folder = join(dataFolder, 'socket');
  return Buffer.byteLength(join(folder, SOCKET_NAME)) > MAX_SOCKET_PATH
    ? makeTemporarySocketFolder(dataFolder)
    : makeOwnFolder(folder);
}

/** Makes a folder for the sockets of another one in the temporary folder: the same for the same path. */
export function makeTemporarySocketFolder(of: string): Promise<string> {
  const name = createHash('sha256').update(of).digest('hex').slice(0, 16);
  return makeOwnFolder(join(tmpdir(), `krona-${name}`));
}

/** @throws KronaError SOCKET_FOLDER_TAKEN */
async function makeOwnFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // In the temporary folder, another user could have created it first to listen in.
  const { uid } = await lstat(folder);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new KronaError(
      'SOCKET_FOLDER_TAKEN',
      `${folder} belongs to another user. Remove it, or set KRONA_DATA to a folder with a shorter path.`,
    );
  }
  await chmod(folder, 0o700);
  return folder;
}
