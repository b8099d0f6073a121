/** @file Database and blobs of an installation as they are, without migrating anything: for backups. */
import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { KronaError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import type { ServedDatabase } from '../storage/backup/restore.ts';
import type { BlobStore } from '../storage/blobs/contract.ts';
import { openBlobs } from '../storage/blobs/open.ts';
import { embeddedDatabaseUrl, startEmbeddedDatabase } from '../storage/embedded/database.ts';

/**
 * The database of an installation. The embedded one is served from here while Krona does not run.
 *
 * @throws KronaError DATABASE_MISSING when the data folder has none
 */
export async function installedDatabase(config: Config): Promise<ServedDatabase> {
  if (config.databaseUrl !== null) return { url: config.databaseUrl, close: async () => {} };
  try {
    return { url: await embeddedDatabaseUrl(config), close: async () => {} };
  } catch (error) {
    if (!(error instanceof KronaError && error.code === 'EMBEDDED_DATABASE_NOT_RUNNING')) throw error;
  }
  if (!(await exists(join(config.dataFolder, 'database'))))
    throw new KronaError(
      'DATABASE_MISSING',
      'The data folder has no database. Set KRONA_DATA to the folder of the installation, or DATABASE_URL to its server.',
    );
  return startEmbeddedDatabase(config);
}

/** Where a backup can be restored. @throws KronaError DATA_FOLDER_IN_USE while Krona runs on the embedded database */
export async function databaseToFill(config: Config): Promise<ServedDatabase> {
  if (config.databaseUrl !== null) return { url: config.databaseUrl, close: async () => {} };
  return startEmbeddedDatabase(config);
}

/** The blobs of an installation. @param url - of its database */
export const installedBlobs = (config: Config, url: string): Promise<BlobStore> =>
  openBlobs(config.blobs, { ...config, database: async () => url, onError: () => {} });
