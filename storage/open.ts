/** @file The one place that chooses adapters: which database, which queue, which blob store. */
import type { BlobPlace } from '../core/blob-place.ts';
import type { BlobStore } from './blobs/contract.ts';
import { openBlobs } from './blobs/open.ts';
import type { Config } from '../core/config.ts';
import { embeddedDatabaseUrl } from './embedded/database.ts';
import type { JobQueue } from './jobs/contract.ts';
import { openJobQueue } from './jobs/bullmq.ts';
import type { StorageOptions } from './options.ts';
import type { RecordStore } from './records.ts';
import { openRecords } from './postgres/record-store.ts';

export interface Storage {
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  readonly jobs: JobQueue;
  /** Closes all three; running jobs are interrupted and run again later. */
  close(): Promise<void>;
}

/**
 * Opens the storage that bot and worker share. Each process opens its own.
 *
 * @throws KronaError EMBEDDED_DATABASE_NOT_RUNNING, DATABASE_UNAVAILABLE, DATABASE_NEWER, BLOBS_*
 */
export async function openStorage(
  config: Config,
  { onError = () => {} }: StorageOptions = {},
): Promise<Storage> {
  const databaseUrl = await databaseUrlOf(config);
  const records = await openRecords(databaseUrl, onError);
  const blobs = await openBlobs(config.blobs, {
    ...config,
    database: async () => databaseUrl,
    onError,
  });
  const jobs = await openJobQueue(config.redisUrl ?? databaseUrl, onError);
  return {
    records,
    blobs,
    jobs,
    async close() {
      await jobs.close();
      await blobs.close();
      await records.close();
    },
  };
}

/** Opens the records alone, such as for a command. @throws KronaError as openStorage */
export const openRecordsOf = async (config: Config): Promise<RecordStore> =>
  openRecords(await databaseUrlOf(config), () => {});

const databaseUrlOf = async (config: Config): Promise<string> =>
  config.databaseUrl ?? embeddedDatabaseUrl(config);

/** Opens the blobs at any place, such as to copy them. @throws KronaError as openStorage */
export function openBlobsAt(place: BlobPlace, config: Config): Promise<BlobStore> {
  const database = async (): Promise<string> => {
    await (await openRecordsOf(config)).close();
    return databaseUrlOf(config);
  };
  return openBlobs(place, { ...config, database, onError: () => {} });
}
