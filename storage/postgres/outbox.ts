/** @file Jobs that wait to be queued: written in one transaction with their records, moved by relayOutbox. */
import type { OwnedJob } from '../../core/records.ts';
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
  db.query<OwnedJob>(sql`
    SELECT job.id, job.kind, job.payload, CASE WHEN channel.id IS NULL THEN NULL ELSE jsonb_build_object(
      'channelId', COALESCE(channel.parent_id, channel.id), 'memberId', COALESCE(run.member_id, made.member_id, pull.member_id)
    ) END AS owner
    FROM krona.outbox_job AS job
    LEFT JOIN krona.run AS run ON run.id = job.id::uuid
    LEFT JOIN krona.picture_set AS made ON made.id = job.id::uuid
    LEFT JOIN krona.pull AS pull ON pull.id = job.id::uuid
    -- Threads take the turns of their channel.
    LEFT JOIN krona.channel ON channel.id = COALESCE(run.channel_id, made.channel_id, pull.channel_id)
    ORDER BY job.number LIMIT ${limit}`);

const openJobs: Operation<'openJobs'> = (db) => () =>
  db.query<OwnedJob>(sql`
    SELECT open_work.id, kind, payload,
      jsonb_build_object('channelId', COALESCE(parent_id, channel_id), 'memberId', member_id) AS owner
    FROM (
      SELECT id, CASE WHEN sweep IS NULL THEN 'train' ELSE 'sweep' END AS kind, jsonb_build_object('runId', id) AS payload, channel_id, member_id, created_at
      FROM krona.run WHERE state IN ('queued', 'running')
      UNION ALL
      SELECT id, 'imagine', jsonb_build_object('setId', id), channel_id, member_id, created_at
      FROM krona.picture_set WHERE state IN ('queued', 'running') AND run_id IS NULL AND awaits_run_id IS NULL
      UNION ALL
      SELECT id, 'pull', jsonb_build_object('model', model), channel_id, member_id, created_at
      FROM krona.pull WHERE state IN ('queued', 'running')
    ) AS open_work
    JOIN krona.channel ON channel.id = open_work.channel_id
    WHERE NOT EXISTS (SELECT FROM krona.outbox_job WHERE outbox_job.id = open_work.id::text)
    ORDER BY open_work.created_at, open_work.id`);

const removeOutboxJob: Operation<'removeOutboxJob'> = (db) => async (id) => {
  await db.query(sql`DELETE FROM krona.outbox_job WHERE id = ${id}`);
};

export const outboxOperations = { addOutboxJob, outboxJobs, removeOutboxJob, openJobs };
