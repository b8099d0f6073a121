/** @file Jobs that wait to be queued: written in one transaction with their records, moved by relayOutbox. */
import type { OutboxJob } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { json, sql } from './sql.ts';

const addOutboxJob: Operation<'addOutboxJob'> =
  (db) =>
  async ({ id, kind, payload }) => {
    await db.query(sql`
      INSERT INTO krona.outbox_job (id, kind, payload)
      VALUES (${id}, ${kind}, ${json(payload)})
      ON CONFLICT (id) DO NOTHING`);
  };

const outboxJobs: Operation<'outboxJobs'> = (db) => (limit) =>
  db.query<OutboxJob>(sql`SELECT id, kind, payload FROM krona.outbox_job ORDER BY number LIMIT ${limit}`);

const removeOutboxJob: Operation<'removeOutboxJob'> = (db) => async (id) => {
  await db.query(sql`DELETE FROM krona.outbox_job WHERE id = ${id}`);
};

export const outboxOperations = { addOutboxJob, outboxJobs, removeOutboxJob };
