/** @file The records in PostgreSQL: a server, or the embedded database. */
import type { Records, RecordStore } from '../records.ts';
import { adapterOperations } from './adapters.ts';
import { apiTokenOperations } from './api-tokens.ts';
import { auditOperations } from './audit.ts';
import { channelOperations } from './channels.ts';
import { connectDatabase, type Database, type Operation } from './database.ts';
import { duelOperations } from './duels.ts';
import { galleryOperations } from './gallery.ts';
import { lineOperations } from './lines.ts';
import { migrate } from './migrate.ts';
import { modelOperations } from './models.ts';
import { overviewOperations } from './overview.ts';
import { outboxOperations } from './outbox.ts';
import { installationOperations } from './installations.ts';
import { platformFileOperations } from './platform-files.ts';
import { postOperations } from './posts.ts';
import { previewOperations } from './previews.ts';
import { privacyOperations } from './privacy.ts';
import { runOperations } from './runs.ts';
import { setOperations } from './sets.ts';
import { storageOperations } from './storage-use.ts';
import { styleOperations } from './styles.ts';
import { subjectOperations } from './subjects.ts';
import { voteOperations } from './votes.ts';
import { workerOperations } from './workers.ts';
import { workloadOperations } from './workload.ts';

const OPERATIONS: { readonly [Name in keyof Records]: Operation<Name> } = {
  ...channelOperations,
  ...privacyOperations,
  ...auditOperations,
  ...subjectOperations,
  ...styleOperations,
  ...runOperations,
  ...adapterOperations,
  ...setOperations,
  ...previewOperations,
  ...voteOperations,
  ...galleryOperations,
  ...duelOperations,
  ...postOperations,
  ...installationOperations,
  ...platformFileOperations,
  ...lineOperations,
  ...outboxOperations,
  ...modelOperations,
  ...workerOperations,
  ...storageOperations,
  ...workloadOperations,
  ...overviewOperations,
  ...apiTokenOperations,
};

/** Every operation, on the pool or inside one transaction. */
const recordsOn = (database: Database): Records =>
  Object.fromEntries(
    Object.entries(OPERATIONS).map(([name, of]) => [name, of(database)]),
  ) as unknown as Records;

/**
 * Connects and migrates the database.
 *
 * @param onError receives errors of idle connections, which the pool replaces
 * @throws KronaError DATABASE_UNAVAILABLE, DATABASE_NEWER
 */
export async function openRecords(url: string, onError: (error: Error) => void): Promise<RecordStore> {
  const database = connectDatabase(url, onError);
  try {
    await migrate(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  return {
    ...recordsOn(database),
    transaction: (work) =>
      database.transaction('SERIALIZABLE', (transaction) => work(recordsOn(transaction))),
    check: () => database.check(),
    close: () => database.close(),
  };
}
