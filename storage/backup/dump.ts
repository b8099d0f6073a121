/**
 * @file Writes the records into files, a table each, as JSON lines: all of one moment, while others go on writing. Neither
 * the embedded database nor a server needs another program for it, and either can be restored into the other.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { makeFolder, unwritable } from '../../core/files.ts';
import { patiently, type Database, type PooledDatabase } from '../postgres/database.ts';
import { privacyOperations } from '../postgres/privacy.ts';
import { onlyRow } from '../postgres/rows.ts';
import { raw, sql } from '../postgres/sql.ts';
import { tableFile, type DumpedTable, type Manifest } from './manifest.ts';

/** Rows fetched at once. */
const BATCH = 500;

/** Not records: what migrations made, files (which are copied as such), who happens to run, and what is being drawn. */
const LEFT_OUT = ['migration', 'blob', 'blob_chunk', 'worker', 'set_preview'];

export type Dump = Pick<Manifest, 'migration' | 'tables' | 'sequences'> & {
  readonly at: Date;
  /** Hashes that the records refer to; null where an older release made the database. */
  readonly inUse: ReadonlySet<string> | null;
};

/**
 * @param folder - of the tables
 * @param known - the number of the last migration of this release
 * @throws KronaError DATABASE_*, FILE_UNWRITABLE
 */
export function dumpRecords(database: PooledDatabase, folder: string, known: number): Promise<Dump> {
  // One snapshot for all tables.
  return database.transaction('REPEATABLE READ', async (transaction) => {
    const snapshot = patiently(transaction);
    const { at, migration } = onlyRow(
      await snapshot.query<{ at: Date; migration: number }>(
        sql`SELECT clock_timestamp() AS at, max(number) AS migration FROM krona.migration`,
      ),
    );
    const tables: DumpedTable[] = [];
    for (const name of await tableNames(snapshot)) tables.push(await dumpTable(snapshot, folder, name));
    return {
      at,
      migration,
      tables,
      sequences: await sequences(snapshot),
      inUse: migration === known ? await privacyOperations.blobsInUse(snapshot)() : null,
    };
  });
}

/** Tables with records, by name. */
export async function tableNames(database: Database): Promise<string[]> {
  const rows = await database.query<{ name: string }>(sql`
    SELECT tablename AS name FROM pg_tables
    WHERE schemaname = 'krona' AND NOT tablename = ANY(${LEFT_OUT}) ORDER BY tablename`);
  return rows.map(({ name }) => name);
}

async function dumpTable(database: Database, folder: string, name: string): Promise<DumpedTable> {
  const path = tableFile(folder, name);
  await makeFolder(dirname(path));
  let rows = 0;
  let lost: unknown = null;
  const ask = (statement: string): Promise<readonly { readonly line: string }[]> =>
    database.query<{ line: string }>(raw(statement)).catch((error: unknown) => {
      lost = error;
      throw error;
    });
  async function* lines(): AsyncGenerator<string> {
    await ask(`DECLARE lines NO SCROLL CURSOR FOR SELECT to_jsonb(t)::text AS line FROM krona.${name} AS t`);
    for (;;) {
      const batch = await ask(`FETCH ${BATCH} FROM lines`);
      if (batch.length === 0) break;
      rows += batch.length;
      yield batch.map(({ line }) => `${line}\n`).join('');
    }
    await ask('CLOSE lines');
  }
  const sum = createHash('sha256');
  await pipeline(
    Readable.from(lines()),
    createGzip({ level: 6 }),
    async function* (parts: AsyncIterable<Buffer>) {
      for await (const part of parts) {
        sum.update(part);
        yield part;
      }
    },
    createWriteStream(path, { mode: 0o600, flush: true }),
  ).catch((error: unknown) => {
    throw error === lost ? error : unwritable(path, error);
  });
  return { name, rows, sha256: sum.digest('hex') };
}

async function sequences(database: Database): Promise<Record<string, number>> {
  const rows = await database.query<{ name: string; last: number | null }>(sql`
    SELECT sequencename AS name, last_value AS last FROM pg_sequences WHERE schemaname = 'krona'`);
  return Object.fromEntries(rows.flatMap(({ name, last }) => (last === null ? [] : [[name, last]])));
}
