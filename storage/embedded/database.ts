/**
 * @file The embedded database: PGlite in the data folder, served to bot and worker on a Unix socket in a folder
 * that only this user can enter. Exactly one process owns it (`krona start`); the others connect. What is
 * committed survives the death of any process; PGlite does not wait for the disk, so a power cut may take the
 * last seconds, and who cannot bear that gives Krona a PostgreSQL server.
 */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Config } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { StorageOptions } from '../options.ts';
import { folderOwner, lockFolder } from './folder-lock.ts';
import { serveDatabase } from './wire-server.ts';

export interface EmbeddedDatabase {
  /** For `pg` and for openStorage in this or another process. */
  readonly url: string;
  /** Ends all connections, writes everything out and gives the folder up. */
  close(): Promise<void>;
}

/**
 * Opens the data folder's database, creating it on the first start (some seconds), and serves it until `close`.
 *
 * @throws KronaError DATA_FOLDER_IN_USE when another process serves this folder.
 */
export async function startEmbeddedDatabase(
  config: Pick<Config, 'dataFolder'>,
  { onError = () => {} }: StorageOptions = {},
): Promise<EmbeddedDatabase> {
  const socketFolder = await makeSocketFolder(config.dataFolder);
  const unlock = await lockFolder(config.dataFolder, socketFolder);
  const release = async (): Promise<void> => {
    await rm(socketFolder, { recursive: true, force: true });
    await unlock();
  };
  try {
    const path = join(socketFolder, SOCKET_NAME);
    await rm(path, { force: true });
    // Only the process that serves it pays for it: some 50 MB.
    const { PGlite } = await import('@electric-sql/pglite');
    const database = await PGlite.create(join(config.dataFolder, 'database'));
    const server = await serveDatabase(database, path);
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
    throw error;
  }
}

/** How often the database is tidied, ms. */
const TIDY_INTERVAL = 10 * 60_000;

/**
 * What PostgreSQL's background processes do elsewhere, and PGlite has none: the space of old row versions is used
 * again (a run's row gets a new one every second), and the log that a start after a kill must replay stays short.
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
 * The connection string of the data folder's database, which another process serves.
 *
 * @throws KronaError EMBEDDED_DATABASE_NOT_RUNNING
 */
export async function embeddedDatabaseUrl(config: Pick<Config, 'dataFolder'>): Promise<string> {
  const owner = await folderOwner(config.dataFolder);
  if (owner !== null) return socketUrl(owner.socketFolder);
  throw new KronaError(
    'EMBEDDED_DATABASE_NOT_RUNNING',
    'Nobody serves the embedded database of the data folder; run `krona start`, or name a PostgreSQL server with DATABASE_URL.',
    { retryable: true },
  );
}

/** Clients given a folder as host look for this name in it (`.s.PGSQL.<port>`). */
const SOCKET_NAME = '.s.PGSQL.5432';

/** Bytes that a Unix socket's path may have: 108 on Linux, 104 on macOS, with the closing zero. */
const MAX_SOCKET_PATH = 103;

const socketUrl = (folder: string): string =>
  `postgres:///postgres?user=postgres&host=${encodeURIComponent(folder)}`;

/**
 * A folder for the socket that nobody else may enter: in the data folder, or in a short place when that is too
 * deep. It is the same at every start, so that bot and worker find the database again when its owner comes back.
 */
async function makeSocketFolder(dataFolder: string): Promise<string> {
  let folder = join(dataFolder, 'socket');
  if (Buffer.byteLength(join(folder, SOCKET_NAME)) > MAX_SOCKET_PATH) {
    const name = createHash('sha256').update(dataFolder).digest('hex').slice(0, 16);
    folder = join(tmpdir(), `krona-${name}`);
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Anybody could have made the one in the common place first, to listen in.
  const { uid } = await lstat(folder);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new KronaError(
      'SOCKET_FOLDER_TAKEN',
      `${folder} belongs to another user; remove it, or give KRONA_DATA a folder with a shorter path.`,
    );
  }
  await chmod(folder, 0o700);
  return folder;
}
