/** @file Brings a backup back: the records all or nothing, then the files. */
import { KronaError } from '../../core/errors.ts';
import type { BlobStore } from '../blobs/contract.ts';
import { copyBlobs } from '../blobs/copy.ts';
import { openBlobFolder } from '../blobs/folder.ts';
import { connectDatabase, patiently, type Database, type PooledDatabase } from '../postgres/database.ts';
import { applyMigrations, lockMigrations, migrate, migrationFiles } from '../postgres/migrate.ts';
import { privacyOperations } from '../postgres/privacy.ts';
import { onlyRow } from '../postgres/rows.ts';
import { raw, sql } from '../postgres/sql.ts';
import { checkTables, loadRecords } from './load.ts';
import { blobFolder, readManifest, type Manifest } from './manifest.ts';

export interface RestoreOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (phase: string, done: number, all: number) => void;
}

export type RestoreResult = Pick<Manifest, 'krona' | 'at'> & {
  readonly rows: number;
  readonly copied: number;
  /** Files that the backup had and whose bytes are wrong. */
  readonly damaged: readonly string[];
  /** Files that records refer to and that are not there, the damaged ones among them. */
  readonly missing: readonly string[];
};

/** A database that is served for as long as it is open. */
export interface ServedDatabase {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Restores a backup into a database without members. It can be of an earlier release: missing migrations are applied to
 * its records. Stopped among the files, or with a backup that lacks some, it goes on when it is called again. A backup whose
 * records are damaged changes nothing.
 *
 * @param openDatabase - opened once the backup is known to be whole
 * @param openTarget - opens the blobs, when the database is whole; its address is given
 * @throws KronaError BACKUP_*, RESTORE_NOT_EMPTY, DATABASE_*, BLOBS_*; the signal's reason when it aborts
 */
export async function restoreBackup(
  folder: string,
  openDatabase: () => Promise<ServedDatabase>,
  openTarget: (url: string) => Promise<BlobStore>,
  { signal, onProgress }: RestoreOptions,
): Promise<RestoreResult> {
  const manifest = await readManifest(folder);
  const { tables, krona, at } = manifest;
  onProgress('checking the backup', 0, 1);
  await requireKnown(manifest);
  await checkTables(folder, manifest);
  const served = await openDatabase();
  const database = connectDatabase(served.url, () => {});
  try {
    onProgress('restoring the database', 0, 1);
    await restoreRecords(database, folder, manifest);
    await migrate(database);
    const inUse = await privacyOperations.blobsInUse(database)();
    const files = await restoreFiles(folder, await openTarget(served.url), inUse, { signal, onProgress });
    // While some are missing, the same command goes on when the folder has them.
    if (files.missing.length === 0) await database.query(raw('COMMENT ON SCHEMA krona IS NULL'));
    return { krona, at, rows: tables.reduce((sum, table) => sum + table.rows, 0), ...files };
  } finally {
    await database.close();
    await served.close();
  }
}

/** @param inUse - hashes that the restored records refer to */
async function restoreFiles(
  folder: string,
  target: BlobStore,
  inUse: ReadonlySet<string>,
  { signal, onProgress }: RestoreOptions,
): Promise<Pick<RestoreResult, 'copied' | 'damaged' | 'missing'>> {
  try {
    const { copied, damaged } = await copyBlobs(await openBlobFolder(blobFolder(folder)), target, {
      check: false,
      signal,
      onProgress: (done, all) => onProgress('restoring files', done, all),
    });
    const there = new Set<string>();
    for await (const hash of target.putBefore(new Date(8.64e15))) there.add(hash);
    return { copied, damaged, missing: [...inUse].filter((hash) => !there.has(hash)) };
  } finally {
    await target.close();
  }
}

/** @throws KronaError BACKUP_NEWER */
async function requireKnown({ migration, krona }: Manifest): Promise<void> {
  if ((await migrationFiles()).some(({ number }) => number === migration)) return;
  throw new KronaError(
    'BACKUP_NEWER',
    `The backup has migration ${migration} of the database, which this release of Krona does not know. Restore it with Krona ${krona} or newer.`,
  );
}

/**
 * In one transaction, in which no other restore or start of Krona can take part: all records, or the database as it was.
 *
 * @throws KronaError RESTORE_NOT_EMPTY, BACKUP_DAMAGED
 */
async function restoreRecords(database: PooledDatabase, folder: string, manifest: Manifest): Promise<void> {
  const mark = `restoring ${manifest.id}`;
  await database.transaction('READ COMMITTED', async (transaction) => {
    await lockMigrations(transaction);
    const { comment, made } = await stateOf(transaction);
    // An earlier call has done it, and was stopped among the files.
    if (comment === mark) return;
    if (made && (await hasMembers(transaction)))
      throw new KronaError(
        'RESTORE_NOT_EMPTY',
        'The database has members already. Restore into an empty installation: another KRONA_DATA or DATABASE_URL.',
      );
    const patient = patiently(transaction);
    await patient.query(raw('DROP SCHEMA IF EXISTS krona CASCADE'));
    await applyMigrations(patient, manifest.migration);
    await loadRecords(patient, folder, manifest, mark);
  });
}

async function stateOf(database: Database): Promise<{ comment: string | null; made: boolean }> {
  return onlyRow(
    await database.query<{ comment: string | null; made: boolean }>(sql`
      SELECT obj_description(to_regnamespace('krona')::oid, 'pg_namespace') AS comment,
        to_regclass('krona.member') IS NOT NULL AS made`),
  );
}

async function hasMembers(database: Database): Promise<boolean> {
  return onlyRow(await database.query<{ any: boolean }>(sql`SELECT EXISTS (SELECT FROM krona.member) AS any`))
    .any;
}
