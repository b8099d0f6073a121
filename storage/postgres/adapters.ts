/** @file Adapters: the files that runs produce. */
import type { Adapter } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { firstRow } from './rows.ts';
import { json, sql } from './sql.ts';

const ADAPTER = sql`
  id, run_id AS "runId", subject_id AS "subjectId", channel_id AS "channelId", step, final,
  blob_hash AS "blobHash", size,
  (SELECT run.model FROM krona.run WHERE run.id = run_id) AS model, settings, created_at AS "createdAt"`;

const addAdapter: Operation<'addAdapter'> =
  (db) =>
  async ({ id, runId, subjectId, channelId, step, final, blobHash, size, settings }) => {
    await db.query(sql`
      WITH added AS (
        INSERT INTO krona.adapter (id, run_id, subject_id, channel_id, step, final, blob_hash, size, settings)
        VALUES (${id}, ${runId}, ${subjectId}, ${channelId}, ${step}, ${final}, ${blobHash}, ${size}, ${json(settings)})
        ON CONFLICT (run_id, step, (settings ->> 'a1'), (settings ->> 'a2'), (settings ->> 'lr')) DO UPDATE SET final = true WHERE EXCLUDED.final AND NOT adapter.final
        RETURNING run_id
      )
      UPDATE krona.run SET revision = krona.next_revision() WHERE id IN (SELECT run_id FROM added)`);
  };

const adapter: Operation<'adapter'> = (db) => async (id) =>
  firstRow(await db.query<Adapter>(sql`SELECT ${ADAPTER} FROM krona.adapter WHERE id = ${id}`));

const adapters: Operation<'adapters'> = (db) => (channelId) =>
  db.query<Adapter>(sql`
    SELECT ${ADAPTER} FROM krona.adapter WHERE channel_id = ${channelId} ORDER BY made DESC`);

const deleteAdapter: Operation<'deleteAdapter'> = (db) => async (id) => {
  await db.query(sql`
    WITH announced AS (
      -- Announcements that it became the champion say that it was deleted.
      UPDATE krona.post SET shown_revision = -1
      WHERE kind = 'champion' AND target_id IN (SELECT id FROM krona.champion_change WHERE adapter_id = ${id})
    ), deleted AS (DELETE FROM krona.adapter WHERE id = ${id} RETURNING run_id)
    UPDATE krona.run SET revision = krona.next_revision() WHERE id IN (SELECT run_id FROM deleted)`);
};

export const adapterOperations = { addAdapter, adapter, adapters, deleteAdapter };
