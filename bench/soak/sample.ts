/** @file What a soak measures: processes by Linux's /proc, the database, Redis, folders. All sizes in bytes. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';

/** One moment's figures, by name. */
export type Sample = Readonly<Record<string, number>>;

export const together = (samples: readonly Sample[]): Sample =>
  Object.fromEntries(samples.flatMap((sample) => Object.entries(sample)));

/** Memory, open files, threads, and what lives of the heap (after the last full collection; heap-note.mjs). */
export async function processSample(name: string, pid: number, heaps: string): Promise<Sample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const heap = await readFile(join(heaps, String(pid)), 'utf8').catch(() => null);
  return {
    [`${name}: memory`]: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024,
    [`${name}: open files`]: (await readdir(`/proc/${pid}/fd`)).length,
    [`${name}: threads`]: Number(/Threads:\s+(\d+)/.exec(status)?.[1] ?? 0),
    ...(heap !== null && { [`${name}: live heap`]: Number(heap) }),
  };
}

/** @param server - it has statistics of dead rows, which the embedded database has not */
export async function databaseSample(name: string, url: string, server: boolean): Promise<Sample> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const one = async (text: string): Promise<number> =>
      Number((await client.query<{ n: string }>(text)).rows[0]?.n ?? 0);
    return {
      [`${name}: size`]: await one('SELECT pg_database_size(current_database()) AS n'),
      [`${name}: sets and runs`]: await one(
        'SELECT (SELECT count(*) FROM krona.picture_set) + (SELECT count(*) FROM krona.run) AS n',
      ),
      [`${name}: open sets and runs`]: await one(`SELECT
        (SELECT count(*) FROM krona.picture_set WHERE state IN ('queued', 'running')) +
        (SELECT count(*) FROM krona.run WHERE state IN ('queued', 'running')) AS n`),
      [`${name}: failed sets and runs`]: await one(`SELECT
        (SELECT count(*) FROM krona.picture_set WHERE state = 'failed') +
        (SELECT count(*) FROM krona.run WHERE state = 'failed') AS n`),
      ...(server && {
        [`${name}: dead rows`]: await one('SELECT sum(n_dead_tup) AS n FROM pg_stat_user_tables'),
        [`${name}: vacuums`]: await one('SELECT sum(autovacuum_count) AS n FROM pg_stat_user_tables'),
        [`${name}: connections`]: await one(
          'SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()',
        ),
      }),
    };
  } finally {
    await client.end();
  }
}

export async function redisSample(url: string): Promise<Sample> {
  const redis = new Redis(url);
  try {
    const memory = /used_memory:(\d+)/.exec(await redis.info('memory'))?.[1];
    const clients = /connected_clients:(\d+)/.exec(await redis.info('clients'))?.[1];
    return {
      'Redis: memory': Number(memory ?? 0),
      'Redis: keys': await redis.dbsize(),
      'Redis: connections': Number(clients ?? 0) - 1,
    };
  } finally {
    redis.disconnect();
  }
}

/** Bytes and files of a folder. */
export async function folderSample(name: string, folder: string): Promise<Sample> {
  let [bytes, files] = [0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    files += 1;
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return { [`${name}: bytes`]: bytes, [`${name}: files`]: files };
}
