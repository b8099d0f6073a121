/** @file What an administrator sees of all channels: work, files, the log. */
import type { LoggedEntry, OverviewChannel, OverviewWork } from '../../core/overview.ts';
import { ENTRY } from './audit.ts';
import type { Database, Operation } from './database.ts';
import { sql, type Sql } from './sql.ts';
import { storedIn } from './storage-use.ts';

/** Runs, and the sets that members asked for: of each, those that `rest` selects, so that indexes find the first ones. */
const workOf = (rest: Sql): Sql => sql`
  (
    SELECT run.id, CASE WHEN sweep IS NULL THEN 'train' ELSE 'sweep' END AS kind, subject.name AS what,
      run.channel_id, run.member_id, state, progress, failure, run.created_at, started_at, ended_at
    FROM (SELECT * FROM krona.run WHERE true ${rest}) AS run JOIN krona.subject ON subject.id = run.subject_id
  ) UNION ALL (
    SELECT id, 'imagine', prompt, channel_id, member_id, state, progress, failure, created_at, NULL, ended_at
    FROM krona.picture_set WHERE run_id IS NULL ${rest}
  )`;

const selectWork = (
  db: Database,
  which: Sql,
  order: (of: Sql) => Sql,
  limit: number,
): Promise<OverviewWork[]> =>
  db.query<OverviewWork>(sql`
    SELECT work.id, work.kind, work.what, work.state, work.progress, work.failure,
      channel.name AS "channelName", channel.platform, member.name AS "memberName",
      work.created_at AS "createdAt", work.started_at AS "startedAt", work.ended_at AS "endedAt"
    FROM (${workOf(sql`AND ${which} ORDER BY ${order(sql``)} LIMIT ${limit}`)}) AS work
    JOIN krona.channel ON channel.id = work.channel_id
    JOIN krona.member ON member.id = work.member_id
    ORDER BY ${order(sql`work.`)} LIMIT ${limit}`);

const openWorkOfAll: Operation<'openWorkOfAll'> = (db) => (limit) =>
  selectWork(db, sql`state IN ('queued', 'running')`, (of) => sql`${of}created_at, ${of}id`, limit);

const endedWorkOfAll: Operation<'endedWorkOfAll'> = (db) => (limit) =>
  selectWork(
    db,
    sql`state NOT IN ('queued', 'running')`,
    (of) => sql`${of}ended_at DESC NULLS LAST, ${of}id`,
    limit,
  );

const channelsOfAll: Operation<'channelsOfAll'> = (db) => (limit) =>
  db.query<OverviewChannel>(sql`
    SELECT channel.id, channel.name, channel.platform, krona.model_of(channel) AS model,
      part.bytes AS "storedBytes"
    FROM krona.channel, ${storedIn(sql`channel.id`)} AS part
    ORDER BY "storedBytes" DESC, channel.name LIMIT ${limit}`);

const auditOfAll: Operation<'auditOfAll'> = (db) => (limit) =>
  db.query<LoggedEntry>(sql`
    SELECT ${ENTRY}, channel.name AS "channelName", channel.platform, member.name AS "memberName"
    FROM krona.audit_entry
    JOIN krona.channel ON channel.id = audit_entry.channel_id
    LEFT JOIN krona.member ON member.id = audit_entry.member_id
    ORDER BY audit_entry.made DESC LIMIT ${limit}`);

export const overviewOperations = { openWorkOfAll, endedWorkOfAll, channelsOfAll, auditOfAll };
