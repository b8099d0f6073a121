/** @file What an administrator sees of all channels: work, files, the log. */
import type { LoggedEntry, OverviewChannel, OverviewWork } from '../../core/overview.ts';
import { ENTRY } from './audit.ts';
import type { Operation } from './database.ts';
import { sql, type Sql } from './sql.ts';
import { STORED } from './storage-use.ts';

/** Runs, and the sets that members asked for, of any state. */
const WORK = sql`
  SELECT run.id, CASE WHEN sweep IS NULL THEN 'train' ELSE 'sweep' END AS kind, subject.name AS what,
    run.channel_id, run.member_id, run.state, run.progress, run.failure, run.created_at, run.started_at, run.ended_at
  FROM krona.run JOIN krona.subject ON subject.id = run.subject_id
  UNION ALL
  SELECT id, 'imagine', prompt, channel_id, member_id, state, progress, failure, created_at, NULL, ended_at
  FROM krona.picture_set WHERE run_id IS NULL`;

const selectWork = (rest: Sql): Sql => sql`
  SELECT work.id, work.kind, work.what, work.state, work.progress, work.failure,
    channel.name AS "channelName", channel.platform, member.name AS "memberName",
    work.created_at AS "createdAt", work.started_at AS "startedAt", work.ended_at AS "endedAt"
  FROM (${WORK}) AS work
  JOIN krona.channel ON channel.id = work.channel_id
  JOIN krona.member ON member.id = work.member_id
  ${rest}`;

const openWorkOfAll: Operation<'openWorkOfAll'> = (db) => (limit) =>
  db.query<OverviewWork>(
    selectWork(
      sql`WHERE work.state IN ('queued', 'running') ORDER BY work.created_at, work.id LIMIT ${limit}`,
    ),
  );

const endedWorkOfAll: Operation<'endedWorkOfAll'> = (db) => (limit) =>
  db.query<OverviewWork>(
    selectWork(
      sql`WHERE work.state NOT IN ('queued', 'running') ORDER BY work.ended_at DESC NULLS LAST, work.id LIMIT ${limit}`,
    ),
  );

const channelsOfAll: Operation<'channelsOfAll'> = (db) => (limit) =>
  db.query<OverviewChannel>(sql`
    SELECT channel.id, channel.name, channel.platform, krona.model_of(channel) AS model,
      coalesce(sum(stored.size), 0)::bigint AS "storedBytes"
    FROM krona.channel LEFT JOIN (${STORED}) AS stored ON stored.channel_id = channel.id
    GROUP BY channel.id ORDER BY "storedBytes" DESC, channel.name LIMIT ${limit}`);

const auditOfAll: Operation<'auditOfAll'> = (db) => (limit) =>
  db.query<LoggedEntry>(sql`
    SELECT ${ENTRY}, channel.name AS "channelName", channel.platform, member.name AS "memberName"
    FROM krona.audit_entry
    JOIN krona.channel ON channel.id = audit_entry.channel_id
    LEFT JOIN krona.member ON member.id = audit_entry.member_id
    ORDER BY audit_entry.made DESC LIMIT ${limit}`);

export const overviewOperations = { openWorkOfAll, endedWorkOfAll, channelsOfAll, auditOfAll };
