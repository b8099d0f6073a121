/** @file What `krona doctor` looks at in the storage: database and its clock, Redis, blobs. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { byteSize } from '../../core/format.ts';
import { embeddedDatabaseUrl } from '../../storage/embedded/database.ts';
import { inspectRedis, type RedisFacts } from '../../storage/jobs/inspect-redis.ts';
import { openBlobsAt } from '../../storage/open.ts';
import { inspectDatabase, type DatabaseFacts } from '../../storage/postgres/inspect.ts';
import { failed, ok, warning, type Finding } from './finding.ts';

/** Clocks can differ so much, s: more confuses people, and far more is refused by buckets. */
const CLOCK_WARNING = 2;
const CLOCK_WRONG = 300;
/** Free connections that a bot with a worker need. */
const CONNECTIONS = 9;

/** The address of the database; null while the embedded one does not run. */
async function databaseAddress(config: Config): Promise<string | null> {
  if (config.databaseUrl !== null) return config.databaseUrl;
  return embeddedDatabaseUrl(config).catch((error: unknown) => {
    if (error instanceof KronaError && error.code === 'EMBEDDED_DATABASE_NOT_RUNNING') return null;
    throw error;
  });
}

export async function lookAtDatabase(config: Config): Promise<Finding[]> {
  const url = await databaseAddress(config);
  if (url === null)
    return [
      warning(
        'database',
        'The embedded database is not running, so it was not checked. Run this beside `krona start`.',
      ),
    ];
  const facts = await inspectDatabase(url);
  return [versionOf(facts, config), ...connectionsOf(facts, config), clockOf(facts)];
}

function versionOf(
  { version, readOnly, last, known, pending, bytes }: DatabaseFacts,
  config: Config,
): Finding {
  const kind = config.databaseUrl === null ? 'embedded, PostgreSQL' : 'PostgreSQL';
  const text = `${kind} ${version}, ${byteSize(bytes)}`;
  if (readOnly)
    return failed(
      'database',
      `${text}. It is read-only: make it writable, or set DATABASE_URL to the primary server.`,
    );
  if (last > known)
    return failed(
      'database',
      `${text}. A newer release of Krona has migrated it (${last}, this one knows ${known}).`,
    );
  if (pending.length > 0)
    return warning(
      'database',
      `${text}. The next start applies ${pending.length} migrations: ${pending.join(', ')}.`,
    );
  return ok('database', text);
}

function connectionsOf({ connections: { used, most } }: DatabaseFacts, { databaseUrl }: Config): Finding[] {
  if (databaseUrl === null) return [];
  const text = `${used} of ${most} connections in use`;
  return [
    most - used < CONNECTIONS
      ? warning('database', `${text}. A bot needs 3 and each worker 4: raise max_connections.`)
      : ok('database', text),
  ];
}

function clockOf({ clockAhead }: DatabaseFacts): Finding {
  const off = Math.abs(clockAhead);
  if (off < CLOCK_WARNING) return ok('clock', 'agrees with the database’s');
  const text = `This machine's clock is ${off.toFixed(0)} s ${clockAhead > 0 ? 'behind' : 'ahead of'} the database's. Set both by NTP.`;
  return off < CLOCK_WRONG ? warning('clock', text) : failed('clock', text);
}

export async function lookAtRedis({ redisUrl }: Config): Promise<Finding[]> {
  if (redisUrl === null) return [ok('queue', 'in the database')];
  return redisFindings(await inspectRedis(redisUrl));
}

/** What a server's settings mean for the queue. */
export function redisFindings({ version, eviction, appends, saves }: RedisFacts): Finding[] {
  const findings: Finding[] = [];
  if (eviction !== null && eviction !== 'noeviction')
    findings.push(
      failed(
        'queue',
        `Redis can drop jobs when its memory is full (maxmemory-policy ${eviction}). Set noeviction.`,
      ),
    );
  if (appends === false)
    findings.push(
      warning(
        'queue',
        saves === true
          ? 'Redis writes snapshots only, so a crash loses the last minutes of the queue. Krona restores it from the records; set appendonly yes to lose nothing.'
          : 'Redis keeps nothing on the disk. After its restart, Krona restores the queue from the records; set appendonly yes to lose nothing.',
      ),
    );
  if (eviction === null)
    findings.push(
      warning('queue', 'Redis does not tell its settings. Check that maxmemory-policy is noeviction.'),
    );
  return findings.length > 0 ? findings : [ok('queue', `Redis ${version}, keeps all jobs`)];
}

/** Stores a small blob, reads it and deletes it: what Krona needs the rights for. */
export async function lookAtBlobs(config: Config): Promise<Finding[]> {
  const { blobs: place } = config;
  const what = place.kind === 'bucket' ? 'a bucket' : place.kind === 'folder' ? 'a folder' : 'the database';
  if (place.kind === 'folder' && !(await exists(place.folder)))
    return [warning('blobs', 'The folder does not exist yet. Krona makes it at its first start.')];
  if (place.kind === 'postgres') {
    const url = await databaseAddress(config);
    // Opening it would migrate the database.
    if (url === null || (await inspectDatabase(url)).pending.length > 0)
      return [warning('blobs', 'They are in the database, and were not checked.')];
  }
  const store = await openBlobsAt(place, config);
  try {
    const { hash } = await store.put(Buffer.from(`krona doctor ${randomUUID()}`));
    await store.get(hash);
    for await (const name of store.putBefore(new Date(0))) void name;
    await store.delete(hash);
    return [ok('blobs', `in ${what}; written, read, listed and deleted`)];
  } finally {
    await store.close();
  }
}
