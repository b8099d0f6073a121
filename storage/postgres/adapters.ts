/** @file Adapters: the files that runs leave. */
import type { Adapter } from '../../core/records.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { json, sql } from './sql.ts';

const ADAPTER = sql`
  id, run_id AS "runId", subject_id AS "subjectId", channel_id AS "channelId", step, final,
  blob_hash AS "blobHash", size, settings, created_at AS "createdAt"`;

type AdapterRecords = Pick<Records, 'addAdapter' | 'adapter' | 'adapters' | 'deleteAdapter'>;

export const adapterRecords = (db: Database): AdapterRecords => ({
  async addAdapter({ id, runId, subjectId, channelId, step, final, blobHash, size, settings }) {
    await db.query(sql`
      WITH added AS (
        INSERT INTO krona.adapter (id, run_id, subject_id, channel_id, step, final, blob_hash, size, settings)
        VALUES (${id}, ${runId}, ${subjectId}, ${channelId}, ${step}, ${final}, ${blobHash}, ${size}, ${json(settings)})
        ON CONFLICT (run_id, step) DO NOTHING
        RETURNING run_id
      )
      UPDATE krona.run SET revision = krona.next_revision() WHERE id IN (SELECT run_id FROM added)`);
  },

  async adapter(id) {
    const [adapter] = await db.query<Adapter>(sql`SELECT ${ADAPTER} FROM krona.adapter WHERE id = ${id}`);
    return adapter ?? null;
  },

  adapters: (channelId) =>
    db.query<Adapter>(sql`
      SELECT ${ADAPTER} FROM krona.adapter WHERE channel_id = ${channelId} ORDER BY made DESC`),

  async deleteAdapter(id) {
    await db.query(sql`
      WITH deleted AS (DELETE FROM krona.adapter WHERE id = ${id} RETURNING run_id)
      UPDATE krona.run SET revision = krona.next_revision() WHERE id IN (SELECT run_id FROM deleted)`);
  },
});
