/** @file Jobs on their way to the queue: written with the records they belong to, moved on by relayOutbox. */
import type { OutboxJob } from '../../core/records.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { json, sql } from './sql.ts';

type OutboxRecords = Pick<Records, 'addOutboxJob' | 'outboxJobs' | 'removeOutboxJob'>;

export const outboxRecords = (db: Database): OutboxRecords => ({
  async addOutboxJob({ id, kind, payload }) {
    await db.query(sql`
      INSERT INTO krona.outbox_job (id, kind, payload)
      VALUES (${id}, ${kind}, ${json(payload)})
      ON CONFLICT (id) DO NOTHING`);
  },

  outboxJobs: (limit) =>
    db.query<OutboxJob>(sql`SELECT id, kind, payload FROM krona.outbox_job ORDER BY number LIMIT ${limit}`),

  async removeOutboxJob(id) {
    await db.query(sql`DELETE FROM krona.outbox_job WHERE id = ${id}`);
  },
});
