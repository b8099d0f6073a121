/** @file Migrates the database: applies migrations/NNN-name.sql, each once, in order. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { patiently, type Database, type PooledDatabase } from './database.ts';
import { raw, sql } from './sql.ts';

const FOLDER = join(import.meta.dirname, 'migrations');

/** Key of the advisory lock that lets one process migrate at a time: "krona" in ASCII. */
const LOCK = 0x6b726f6e61;

interface Migration {
  readonly number: number;
  readonly name: string;
}

/** All migrations that this release knows, in order. */
export async function migrationFiles(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort();
  return names.map((name) => ({ number: Number.parseInt(name, 10), name }));
}

/** Applies the missing migrations, all or none. Bot and worker can call it at the same time. @throws KronaError DATABASE_NEWER */
export async function migrate(database: PooledDatabase): Promise<void> {
  // Read committed: a process that waited for the lock must see what the other has done.
  await database.transaction('READ COMMITTED', async (transaction) => {
    await lockMigrations(transaction);
    await applyMigrations(patiently(transaction));
  });
}

/** Waits until no other transaction migrates. Held until the end of this one, so it also works where all clients share one session. */
export async function lockMigrations(transaction: Database): Promise<void> {
  await patiently(transaction).query(sql`SELECT pg_advisory_xact_lock(${LOCK})`);
}

/**
 * Applies the missing migrations in a transaction that holds the lock.
 *
 * @param until - the number of the last one to apply; all by default
 * @throws KronaError DATABASE_NEWER when a newer release of Krona has migrated this database
 */
export async function applyMigrations(transaction: Database, until = Infinity): Promise<void> {
  const files = await migrationFiles();
  await transaction.query(sql`CREATE SCHEMA IF NOT EXISTS krona`);
  await transaction.query(sql`
    CREATE TABLE IF NOT EXISTS krona.migration (
      number integer PRIMARY KEY,
      name text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`);
  const applied = new Set(
    (await transaction.query<Pick<Migration, 'number'>>(sql`SELECT number FROM krona.migration`)).map(
      ({ number }) => number,
    ),
  );
  const last = Math.max(0, ...applied);
  const newest = Math.max(...files.map(({ number }) => number));
  if (last > newest) {
    throw new KronaError(
      'DATABASE_NEWER',
      `The database has migration ${last}, but this release of Krona knows migrations up to ${newest}. Start the newer release.`,
    );
  }
  for (const { number, name } of files) {
    // One can be missing before the last: work that went on side by side was not merged in its order.
    if (applied.has(number) || number > until) continue;
    await transaction.query(raw(await readFile(join(FOLDER, name), 'utf8')));
    await transaction.query(sql`INSERT INTO krona.migration (number, name) VALUES (${number}, ${name})`);
  }
}
