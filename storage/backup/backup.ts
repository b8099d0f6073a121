/**
 * @file Saves database and blobs in a folder, while Krona runs. The database is that of one moment; blobs are copied before
 * and after it, so that all that its records refer to are there.
 */
import { randomUUID } from 'node:crypto';
import { version } from '../../core/package.ts';
import type { BlobStore } from '../blobs/contract.ts';
import { copyBlobs } from '../blobs/copy.ts';
import { openBlobFolder } from '../blobs/folder.ts';
import { connectDatabase } from '../postgres/database.ts';
import { migrationFiles } from '../postgres/migrate.ts';
import { dumpRecords } from './dump.ts';
import { blobFolder, dropOtherTables, newBackup, replaceBackup, type Manifest } from './manifest.ts';

export interface BackupOptions {
  /** Also reads each copied file again and compares its hash. */
  readonly check: boolean;
  /** Ends the backup after the files under way. */
  readonly signal: AbortSignal;
  readonly onProgress: (phase: string, done: number, all: number) => void;
}

export type BackupResult = Pick<Manifest, 'id' | 'migration' | 'blobs'> & {
  readonly rows: number;
  /** Files copied by this call; others were in the folder from an earlier backup. */
  readonly copied: number;
  /** Files deleted from the folder, as no record refers to them any more. */
  readonly dropped: number;
};

/**
 * Writes a backup into a folder: a new one, or that of an earlier backup of the same installation, to which it adds what is
 * new. Stopped in the middle, it goes on when it is called again, and the earlier backup stays as it was.
 *
 * @param url - of the database, which need not be migrated to this release
 * @throws KronaError DATABASE_*, BLOBS_*, FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function makeBackup(
  url: string,
  source: BlobStore,
  folder: string,
  { check, signal, onProgress }: BackupOptions,
): Promise<BackupResult> {
  await dropOtherTables(folder);
  const { id, tables: into } = newBackup(folder, randomUUID());
  const target = await openBlobFolder(blobFolder(folder));
  const copy = (phase: string) =>
    copyBlobs(source, target, { check, signal, onProgress: (done, all) => onProgress(phase, done, all) });
  const first = await copy('copying files');
  signal.throwIfAborted();
  onProgress('saving the database', 0, 1);
  const dump = await dumpDatabase(url, into);
  // What came since the first copy.
  const second = await copy('copying new files');
  const { missing, unused, count } = await compare(target, dump.inUse);
  const { at, migration, tables, sequences } = dump;
  const blobs = { count, missing };
  await replaceBackup(folder, {
    id,
    krona: version,
    at: at.toISOString(),
    migration,
    tables,
    sequences,
    blobs,
  });
  // The last backup's, as members may have deleted them since.
  for (const hash of unused) await target.delete(hash);
  return {
    id,
    migration,
    blobs,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    copied: first.copied + second.copied,
    dropped: unused.length,
  };
}

async function dumpDatabase(url: string, tables: string) {
  const database = connectDatabase(url, () => {});
  try {
    const files = await migrationFiles();
    return await dumpRecords(database, tables, Math.max(...files.map(({ number }) => number)));
  } finally {
    await database.close();
  }
}

/** Finds what no record refers to, and what is missing. */
async function compare(
  target: BlobStore,
  inUse: ReadonlySet<string> | null,
): Promise<{ count: number; missing: string[]; unused: string[] }> {
  const there = new Set<string>();
  for await (const hash of target.putBefore(new Date(8.64e15))) there.add(hash);
  if (inUse === null) return { count: there.size, missing: [], unused: [] };
  const unused = [...there].filter((hash) => !inUse.has(hash));
  return {
    count: there.size - unused.length,
    missing: [...inUse].filter((hash) => !there.has(hash)),
    unused,
  };
}
