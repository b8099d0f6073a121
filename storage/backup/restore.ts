/** @file Brings a backup back: the records all or nothing, then the files. */
import { KronaError } from '../../core/errors.ts';
import type { BlobStore } from '../blobs/contract.ts';
import { copyBlobs } from '../blobs/copy.ts';
import { openBlobFolder } from '../blobs/folder.ts';
import { connectDatabase, type PooledDatabase } from '../postgres/database.ts';
import { migrate, migrationFiles } from '../postgres/migrate.ts';
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
};

/**
 * Restores a backup into a database without members. It can be of an earlier release: missing migrations are applied to
 * its records. Stopped among the files, it goes on when it is called again.
 *
 * @param openTarget - opens the blobs, when the database is whole
 * @throws KronaError BACKUP_*, RESTORE_NOT_EMPTY, DATABASE_*, BLOBS_*; the signal's reason when it aborts
 */
export async function restoreBackup(
  url: string,
  openTarget: () => Promise<BlobStore>,
  folder: string,
  { signal, onProgress }: RestoreOptions,
): Promise<RestoreResult> {
  const manifest = await readManifest(folder);
  const { tables, krona, at } = manifest;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const database = connectDatabase(url, () => {});
  try {
    onProgress('restoring the database', 0, 1);
    await restoreRecords(database, folder, manifest);
    await migrate(database);
    const target = await openTarget();
    try {
      const { copied, damaged } = await copyBlobs(await openBlobFolder(blobFolder(folder)), target, {
        check: false,
        signal,
        onProgress: (done, all) => onProgress('restoring files', done, all),
      });
      await database.query(raw('COMMENT ON SCHEMA krona IS NULL'));
      return { krona, at, rows, copied, damaged };
    } finally {
      await target.close();
    }
  } finally {
    await database.close();
  }
}

async function restoreRecords(database: PooledDatabase, folder: string, manifest: Manifest): Promise<void> {
  const { id, migration, tables } = manifest;
  const known = (await migrationFiles()).map(({ number }) => number);
  if (!known.includes(migration))
    throw new KronaError(
      'BACKUP_NEWER',
      `The backup has migration ${migration} of the database, which this release of Krona does not know. Restore it with Krona ${manifest.krona} or newer.`,
    );
  const mark = `restoring ${id}`;
  const { comment, made } = await stateOf(database);
  // An earlier call has done it, and was stopped among the files.
  if (comment === mark) return;
  if (made && (await hasMembers(database)))
    throw new KronaError(
      'RESTORE_NOT_EMPTY',
      'The database has members already. Restore into an empty installation: another KRONA_DATA or DATABASE_URL.',
    );
  await checkTables(folder, tables);
  await database.query(raw('DROP SCHEMA IF EXISTS krona CASCADE'));
  await migrate(database, migration);
  await loadRecords(database, folder, manifest, mark);
}

async function stateOf(database: PooledDatabase): Promise<{ comment: string | null; made: boolean }> {
  return onlyRow(
    await database.query<{ comment: string | null; made: boolean }>(sql`
      SELECT obj_description(to_regnamespace('krona')::oid, 'pg_namespace') AS comment,
        to_regclass('krona.member') IS NOT NULL AS made`),
  );
}

async function hasMembers(database: PooledDatabase): Promise<boolean> {
  return onlyRow(await database.query<{ any: boolean }>(sql`SELECT EXISTS (SELECT FROM krona.member) AS any`))
    .any;
}
