/** @file Reads the records of a backup into a database without any, all or nothing. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { asError, KronaError } from '../../core/errors.ts';
import type { Database } from '../postgres/database.ts';
import { raw, sql } from '../postgres/sql.ts';
import { tableNames } from './dump.ts';
import { linesOf } from './lines.ts';
import { tableFile, tableFolder, type DumpedTable, type Manifest } from './manifest.ts';

/** Rows, and characters of their lines, inserted at once. */
const BATCH_ROWS = 500;
const BATCH_LENGTH = 1_000_000;

/** Compares the files of a backup with its sums. @throws KronaError BACKUP_DAMAGED */
export async function checkTables(folder: string, manifest: Manifest): Promise<void> {
  for (const { name, sha256 } of manifest.tables) {
    const sum = createHash('sha256');
    try {
      for await (const part of createReadStream(
        tableFile(tableFolder(folder, manifest), name),
      ) as AsyncIterable<Buffer>)
        sum.update(part);
    } catch (cause) {
      throw damaged(name, cause);
    }
    if (sum.digest('hex') !== sha256) throw damaged(name);
  }
}

const damaged = (name: string, cause?: unknown): KronaError =>
  new KronaError(
    'BACKUP_DAMAGED',
    `The file of the table ${name} is missing or damaged. Nothing was restored. Use another backup.`,
    { cause },
  );

/**
 * Loads all records into the tables that the backup's last migration has made.
 *
 * @param mark - a comment on the schema, written with the records
 * @throws KronaError BACKUP_DAMAGED, DATABASE_*, DISK_FULL
 */
export async function loadRecords(
  transaction: Database,
  folder: string,
  manifest: Manifest,
  mark: string,
): Promise<void> {
  const { tables, sequences } = manifest;
  const names = await tableNames(transaction);
  // All of them, each once: a list that lost one would be restored without it, and nobody would know.
  const wrong = wrongName(names, tables);
  if (wrong !== null) throw damaged(wrong);
  await transaction.query(raw(`TRUNCATE ${names.map((name) => `krona.${name}`).join(', ')} CASCADE`));
  // Records refer to each other in circles, so they are checked when all are there.
  const constraints = await foreignKeys(transaction);
  for (const key of constraints)
    await transaction.query(raw(`ALTER TABLE ${key} DEFERRABLE INITIALLY DEFERRED`));
  for (const table of tables) await loadTable(transaction, tableFolder(folder, manifest), table);
  for (const [name, last] of Object.entries(sequences))
    await told(name, () => transaction.query(sql`SELECT setval(${`krona.${name}`}::regclass, ${last})`));
  await told('records', () => transaction.query(raw('SET CONSTRAINTS ALL IMMEDIATE')));
  for (const key of constraints) await transaction.query(raw(`ALTER TABLE ${key} NOT DEFERRABLE`));
  await transaction.query(raw(`COMMENT ON SCHEMA krona IS '${mark}'`));
}

/** The name of a table that one side lacks or that comes twice; null when both have the same. */
function wrongName(names: readonly string[], tables: readonly DumpedTable[]): string | null {
  const dumped = tables.map(({ name }) => name);
  return (
    dumped.find((name, n) => !names.includes(name) || dumped.indexOf(name) !== n) ??
    names.find((name) => !dumped.includes(name)) ??
    null
  );
}

/** Does a part of the loading. A database that takes no such records means that the backup's are wrong. */
async function told<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isOther =
      error instanceof KronaError && (error.retryable || /^(BACKUP|DATABASE)_/.test(error.code));
    throw isOther ? error : damaged(name, asError(error));
  }
}

/** `krona.run ALTER CONSTRAINT run_channel_id_fkey` for each. */
async function foreignKeys(database: Database): Promise<string[]> {
  const rows = await database.query<{ text: string }>(sql`
    SELECT format('%s ALTER CONSTRAINT %I', conrelid::regclass, conname) AS text
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'krona'::regnamespace AND NOT condeferrable`);
  return rows.map(({ text }) => text);
}

/** @throws KronaError BACKUP_DAMAGED, also when there are more or fewer rows than were saved */
async function loadTable(database: Database, folder: string, { name, rows }: DumpedTable): Promise<void> {
  const columns = await ownColumns(database, name);
  const into = raw(`INSERT INTO krona.${name} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns}`);
  const record = raw(`NULL::krona.${name}`);
  let count = 0;
  let batch: string[] = [];
  let length = 0;
  const insert = async (): Promise<void> => {
    if (batch.length === 0) return;
    const all = `[${batch.join(',')}]`;
    await database.query(sql`${into} FROM jsonb_populate_recordset(${record}, ${all}::jsonb)`);
    count += batch.length;
    batch = [];
    length = 0;
  };
  await told(name, async () => {
    for await (const line of linesOf(tableFile(folder, name))) {
      batch.push(line);
      length += line.length;
      if (count + batch.length > rows) throw damaged(name);
      if (batch.length >= BATCH_ROWS || length >= BATCH_LENGTH) await insert();
    }
    await insert();
  });
  if (count !== rows) throw damaged(name);
}

/** The columns of a table that are not computed from others, with commas between. */
async function ownColumns(database: Database, name: string): Promise<string> {
  const rows = await database.query<{ name: string }>(sql`
    SELECT quote_ident(column_name) AS name FROM information_schema.columns
    WHERE table_schema = 'krona' AND table_name = ${name} AND is_generated = 'NEVER'
    ORDER BY ordinal_position`);
  return rows.map((row) => row.name).join(', ');
}
