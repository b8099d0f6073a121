/** @file Looks at a database without changing it, for `krona doctor` and `krona upgrade`. */
import { connectDatabase, type PooledDatabase } from './database.ts';
import { migrationFiles } from './migrate.ts';
import { onlyRow } from './rows.ts';
import { sql } from './sql.ts';

export interface DatabaseFacts {
  /** Of PostgreSQL, such as `17.2`. */
  readonly version: string;
  /** By how much its clock is ahead of this machine's, s; negative: behind. */
  readonly clockAhead: number;
  readonly readOnly: boolean;
  /** Migrations that this release would apply at its next start, by name. */
  readonly pending: readonly string[];
  /** Number of the last migration that was applied; 0 in an empty database. */
  readonly last: number;
  /** Number of the last one that this release knows. */
  readonly known: number;
  readonly connections: { readonly used: number; readonly most: number };
  /** All of the database, also what belongs to the queue. */
  readonly bytes: number;
}

/** @throws KronaError DATABASE_* */
export async function inspectDatabase(url: string): Promise<DatabaseFacts> {
  const database = connectDatabase(url, () => {});
  try {
    const files = await migrationFiles();
    const applied = await appliedMigrations(database);
    return {
      ...(await serverFacts(database)),
      clockAhead: await clockAhead(database),
      last: Math.max(0, ...applied),
      known: Math.max(...files.map(({ number }) => number)),
      pending: files.flatMap(({ number, name }) => (applied.has(number) ? [] : [name])),
    };
  } finally {
    await database.close();
  }
}

async function appliedMigrations(database: PooledDatabase): Promise<ReadonlySet<number>> {
  const [{ made } = { made: false }] = await database.query<{ made: boolean }>(
    sql`SELECT to_regclass('krona.migration') IS NOT NULL AS made`,
  );
  const rows = made ? await database.query<{ number: number }>(sql`SELECT number FROM krona.migration`) : [];
  return new Set(rows.map(({ number }) => number));
}

async function serverFacts(
  database: PooledDatabase,
): Promise<Pick<DatabaseFacts, 'version' | 'readOnly' | 'connections' | 'bytes'>> {
  const row = onlyRow(
    await database.query<{
      version: string;
      readOnly: boolean;
      used: number;
      most: number;
      bytes: number;
    }>(sql`
      SELECT current_setting('server_version') AS version,
        current_setting('transaction_read_only') = 'on' AS "readOnly",
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS used,
        current_setting('max_connections')::int AS most,
        pg_database_size(current_database()) AS bytes`),
  );
  const { version, readOnly, used, most, bytes } = row;
  return { version, readOnly, connections: { used, most }, bytes };
}

/** Compares clocks by the middle of a question that takes milliseconds, s. */
async function clockAhead(database: PooledDatabase): Promise<number> {
  const before = Date.now();
  const { now } = onlyRow(
    await database.query<{ now: number }>(sql`SELECT extract(epoch FROM clock_timestamp())::float8 AS now`),
  );
  return now - (before + Date.now()) / 2000;
}
