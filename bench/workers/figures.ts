/** @file What a simulation has done: from the database, the queue's server, and what workers noted as they took jobs. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { jobId, numberOf, ownerOf } from './plan.ts';

/** A job as it was first taken. */
interface Taken {
  readonly n: number;
  /** ms since 1970. */
  readonly at: number;
}

export interface Taking {
  /** In the order in which they were first taken. */
  readonly first: readonly Taken[];
  /** The numbers of jobs, each as often as it was taken. */
  readonly takes: readonly number[];
  /** Jobs that were taken again, after a kill or an outage. */
  readonly again: number;
}

/** Reads the notes of all workers. */
export async function readTaking(folder: string): Promise<Taking> {
  const first = new Map<number, number>();
  const takes: number[] = [];
  for (const name of await readdir(folder)) {
    for (const line of (await readFile(join(folder, name), 'utf8')).trimEnd().split('\n')) {
      const [id, at] = line.split(' ');
      // A killed worker can leave half a line.
      if (id?.length !== 36 || at?.length !== 13) continue;
      const n = numberOf(id);
      takes.push(n);
      first.set(n, Math.min(first.get(n) ?? Infinity, Number(at)));
    }
  }
  const order = [...first].map(([n, at]) => ({ n, at })).sort((one, other) => one.at - other.at);
  return { first: order, takes, again: takes.length - first.size };
}

/** Only of jobs from a number on. */
export function since(taking: Taking, from: number): Taking {
  const first = taking.first.filter(({ n }) => n >= from);
  const takes = taking.takes.filter((n) => n >= from);
  return { first, takes, again: takes.length - first.length };
}

export interface Disorder {
  readonly outOfOrder: number;
  /** The longest time by which a job was taken after a later one of its member, ms. */
  readonly latest: number;
}

/**
 * Jobs that were first taken after a later one of their member in the channel. Two workers that take a member's jobs at the
 * same moment note it some milliseconds apart, in either order.
 */
export function disorder({ first }: Taking, channels: number): Disorder {
  const newest = new Map<string, Taken>();
  let [outOfOrder, latest] = [0, 0];
  for (const taken of first) {
    const { channel, member } = ownerOf(taken.n, channels);
    const key = `${channel} ${member}`;
    const before = newest.get(key);
    if (before !== undefined && taken.n < before.n) {
      outOfOrder += 1;
      latest = Math.max(latest, taken.at - before.at);
    } else newest.set(key, taken);
  }
  return { outOfOrder, latest };
}

/**
 * How evenly channels were served while all of them had jobs waiting: the fewest and the most jobs of a channel, before the
 * first channel had none left.
 */
export function shares(
  { first }: Taking,
  channels: number,
): { readonly least: number; readonly most: number } {
  const left = new Map<number, number>();
  for (const { n } of first) {
    const { channel } = ownerOf(n, channels);
    left.set(channel, (left.get(channel) ?? 0) + 1);
  }
  const served = new Map([...left.keys()].map((channel) => [channel, 0]));
  for (const { n } of first) {
    const { channel } = ownerOf(n, channels);
    const remaining = (left.get(channel) ?? 0) - 1;
    if (remaining === 0) break;
    left.set(channel, remaining);
    served.set(channel, (served.get(channel) ?? 0) + 1);
  }
  return { least: Math.min(...served.values()), most: Math.max(...served.values()) };
}

export interface Counts {
  readonly asked: number;
  readonly done: number;
  readonly failed: number;
  /** Sets that ended without a picture, or have more than one. */
  readonly wrong: number;
}

/** How many sets there are, and how many of them have not ended: cheaper than `readCounts`. */
export async function readOpen(
  client: pg.Client,
): Promise<{ readonly asked: number; readonly open: number }> {
  const { rows } = await client.query<{ asked: string; open: string }>(`
    SELECT count(*) AS asked, count(*) FILTER (WHERE state IN ('queued', 'running')) AS open FROM krona.picture_set`);
  return { asked: Number(rows[0]?.asked ?? 0), open: Number(rows[0]?.open ?? 0) };
}

/** @param from - the first job's number */
export async function readCounts(client: pg.Client, from: number): Promise<Counts> {
  const { rows } = await client.query<Record<keyof Counts, string>>(
    `SELECT count(*) AS asked, count(*) FILTER (WHERE state = 'done') AS done,
      count(*) FILTER (WHERE state = 'failed') AS failed,
      count(*) FILTER (WHERE state = 'done' AND pictures <> 1) AS wrong
    FROM (
      SELECT state, (SELECT count(*) FROM krona.picture WHERE picture.set_id = picture_set.id) AS pictures
      FROM krona.picture_set WHERE id >= $1
    ) AS made`,
    [jobId(from)],
  );
  const [row] = rows;
  const number = (key: keyof Counts): number => Number(row?.[key] ?? 0);
  return { asked: number('asked'), done: number('done'), failed: number('failed'), wrong: number('wrong') };
}

/** Waits of jobs from the request to the worker, sorted, ms. @param from - the first job's number */
export async function readWaits(client: pg.Client, { first }: Taking, from: number): Promise<number[]> {
  const { rows } = await client.query<{ id: string; at: string }>(
    'SELECT id, extract(epoch FROM created_at) * 1000 AS at FROM krona.picture_set',
  );
  const asked = new Map(rows.map(({ id, at }) => [numberOf(id), Number(at)]));
  return first
    .flatMap(({ n, at }) => (n < from ? [] : at - (asked.get(n) ?? at)))
    .sort((one, other) => one - other);
}

/** What the servers have done so far. */
export interface Load {
  readonly transactions: number;
  readonly rowsWritten: number;
  readonly redisCommands: number;
}

export async function readLoad(client: pg.Client, redisUrl: string | null): Promise<Load> {
  const { rows } = await client.query<{ transactions: string; written: string }>(`
    SELECT xact_commit AS transactions, tup_inserted + tup_updated + tup_deleted AS written
    FROM pg_stat_database WHERE datname = current_database()`);
  const [row] = rows;
  return {
    transactions: Number(row?.transactions ?? 0),
    rowsWritten: Number(row?.written ?? 0),
    redisCommands: redisUrl === null ? 0 : await redisCommands(redisUrl),
  };
}

async function redisCommands(url: string): Promise<number> {
  const redis = new Redis(url);
  const stats = await redis.info('stats');
  redis.disconnect();
  return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1] ?? 0);
}

/** The value below which a share of sorted values lies. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
