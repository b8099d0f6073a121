/** @file Reads the records of a backup into an empty database, all or nothing. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { asError, KronaError } from '../../core/errors.ts';
import type { Database, PooledDatabase } from '../postgres/database.ts';
import { raw, sql } from '../postgres/sql.ts';
import { tableNames } from './dump.ts';
import { tableFile, type DumpedTable, type Manifest } from './manifest.ts';

/** Rows, and characters of their lines, inserted at once. */
const BATCH_ROWS = 500;
const BATCH_LENGTH = 1_000_000;

/** Compares the files of a backup with its sums. @throws KronaError BACKUP_DAMAGED */
export async function checkTables(folder: string, tables: readonly DumpedTable[]): Promise<void> {
  for (const { name, sha256 } of tables) {
    const sum = createHash('sha256');
    try {
      for await (const part of createReadStream(tableFile(folder, name)) as AsyncIterable<Buffer>)
        sum.update(part);
    } catch (cause) {
      throw damaged(name, asError(cause));
    }
    if (sum.digest('hex') !== sha256) throw damaged(name);
  }
}

const damaged = (name: string, cause?: Error): KronaError =>
  new KronaError(
    'BACKUP_DAMAGED',
    `The file of the table ${name} is missing or damaged. Nothing was restored. Use another backup.`,
    { cause },
  );

/** @param mark - a comment on the schema, written with the records */
export function loadRecords(
  database: PooledDatabase,
  folder: string,
  { tables, sequences }: Pick<Manifest, 'tables' | 'sequences'>,
  mark: string,
): Promise<void> {
  return database.transaction('READ COMMITTED', async (transaction) => {
    const names = await tableNames(transaction);
    await transaction.query(raw(`TRUNCATE ${names.map((name) => `krona.${name}`).join(', ')} CASCADE`));
    // Records refer to each other in circles, so they are checked when all are there.
    const constraints = await foreignKeys(transaction);
    for (const key of constraints)
      await transaction.query(raw(`ALTER TABLE ${key} DEFERRABLE INITIALLY DEFERRED`));
    for (const { name, rows } of tables) {
      const loaded = await loadTable(transaction, folder, name);
      if (loaded !== rows) throw damaged(name);
    }
    for (const [name, last] of Object.entries(sequences))
      await transaction.query(sql`SELECT setval(${`krona.${name}`}::regclass, ${last})`);
    await transaction.query(raw('SET CONSTRAINTS ALL IMMEDIATE'));
    for (const key of constraints) await transaction.query(raw(`ALTER TABLE ${key} NOT DEFERRABLE`));
    await transaction.query(raw(`COMMENT ON SCHEMA krona IS '${mark}'`));
  });
}

/** `krona.run ALTER CONSTRAINT run_channel_id_fkey` for each. */
async function foreignKeys(database: Database): Promise<string[]> {
  const rows = await database.query<{ text: string }>(sql`
    SELECT format('%s ALTER CONSTRAINT %I', conrelid::regclass, conname) AS text
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'krona'::regnamespace AND NOT condeferrable`);
  return rows.map(({ text }) => text);
}

/** @returns how many rows were inserted */
async function loadTable(database: Database, folder: string, name: string): Promise<number> {
  const columns = await ownColumns(database, name);
  let count = 0;
  let batch: string[] = [];
  let length = 0;
  const insert = async (): Promise<void> => {
    if (batch.length === 0) return;
    const rows = `[${batch.join(',')}]`;
    const into = raw(`INSERT INTO krona.${name} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns}`);
    await database.query(
      sql`${into} FROM jsonb_populate_recordset(${raw(`NULL::krona.${name}`)}, ${rows}::jsonb)`,
    );
    count += batch.length;
    batch = [];
    length = 0;
  };
  const file = createReadStream(tableFile(folder, name)).pipe(createGunzip());
  for await (const line of createInterface({ input: file, crlfDelay: Infinity })) {
    batch.push(line);
    length += line.length;
    if (batch.length >= BATCH_ROWS || length >= BATCH_LENGTH) await insert();
  }
  await insert();
  return count;
}

/** The columns of a table that are not computed from others, with commas between. */
async function ownColumns(database: Database, name: string): Promise<string> {
  const rows = await database.query<{ name: string }>(sql`
    SELECT quote_ident(column_name) AS name FROM information_schema.columns
    WHERE table_schema = 'krona' AND table_name = ${name} AND is_generated = 'NEVER'
    ORDER BY ordinal_position`);
  return rows.map((row) => row.name).join(', ');
}
