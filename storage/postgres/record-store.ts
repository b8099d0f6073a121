/** @file The records in PostgreSQL: a server, or the embedded database. */
import type { Records, RecordStore } from '../records.ts';
import { adapterRecords } from './adapters.ts';
import { auditRecords } from './audit.ts';
import { channelRecords } from './channels.ts';
import { connectDatabase, type Database } from './database.ts';
import { lineRecords } from './lines.ts';
import { migrate } from './migrate.ts';
import { modelRecords } from './model-card.ts';
import { outboxRecords } from './outbox.ts';
import { platformFileRecords } from './platform-files.ts';
import { postRecords } from './posts.ts';
import { privacyRecords } from './privacy.ts';
import { runRecords } from './runs.ts';
import { setRecords } from './sets.ts';
import { subjectRecords } from './subjects.ts';
import { voteRecords } from './votes.ts';

const recordsOn = (db: Database): Records => ({
  ...channelRecords(db),
  ...privacyRecords(db),
  ...auditRecords(db),
  ...subjectRecords(db),
  ...runRecords(db),
  ...adapterRecords(db),
  ...setRecords(db),
  ...voteRecords(db),
  ...postRecords(db),
  ...platformFileRecords(db),
  ...lineRecords(db),
  ...outboxRecords(db),
  ...modelRecords(db),
});

/**
 * Connects, and brings the tables up to date.
 *
 * @param onError hears of idle connections that broke; they are replaced by themselves.
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
    close: () => database.close(),
  };
}
