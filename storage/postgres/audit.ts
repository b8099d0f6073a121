/** @file The log of each channel, and usage for quotas. */
import type { AuditEntry, OpenUsage, Usage } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { channelsWithin } from './reach.ts';
import { sql } from './sql.ts';

export const ENTRY = sql`
  audit_entry.id, audit_entry.channel_id AS "channelId", audit_entry.member_id AS "memberId", audit_entry.action,
  audit_entry.details, audit_entry.target_id AS "targetId", audit_entry.amount, audit_entry.at`;

const addAudit: Operation<'addAudit'> =
  (db) =>
  async ({ channelId, memberId, action, details, targetId, amount = 0 }) => {
    await db.query(sql`
      INSERT INTO krona.audit_entry (channel_id, member_id, action, details, target_id, amount)
      VALUES (${channelId}, ${memberId}, ${action}, ${details}, ${targetId}, ${amount})`);
  };

const audit: Operation<'audit'> = (db) => (channelId, limit) =>
  db.query<AuditEntry>(sql`
    SELECT ${ENTRY} FROM krona.audit_entry
    WHERE channel_id IN (${channelsWithin(channelId, 'channel')})
    ORDER BY made DESC
    LIMIT ${limit}`);

const usage: Operation<'usage'> = (db) => (channelId, reach, action, seconds) =>
  db.query<Usage>(sql`
    SELECT audit_entry.member_id AS "memberId", audit_entry.amount,
      greatest(0, extract(epoch FROM clock_timestamp() - audit_entry.at))::float8 AS "secondsAgo"
    FROM krona.audit_entry
    LEFT JOIN krona.run ON run.id = audit_entry.target_id
    LEFT JOIN krona.picture_set ON picture_set.id = audit_entry.target_id
    WHERE audit_entry.channel_id IN (${channelsWithin(channelId, reach)}) AND audit_entry.action = ${action}
      AND audit_entry.at > clock_timestamp() - make_interval(secs => ${seconds}) AND audit_entry.amount > 0
      AND coalesce(run.state, picture_set.state, '') <> 'failed'
    ORDER BY audit_entry.made`);

const openUsage: Operation<'openUsage'> = (db) => (channelId, reach) =>
  db.query<OpenUsage>(sql`
    SELECT member_id AS "memberId", (progress->>'secondsLeft')::float8 AS "secondsLeft"
    FROM (
      SELECT channel_id, member_id, progress, state, created_at FROM krona.run
      UNION ALL
      SELECT channel_id, member_id, progress, state, created_at FROM krona.picture_set WHERE run_id IS NULL
    ) AS work
    WHERE state IN ('queued', 'running') AND channel_id IN (${channelsWithin(channelId, reach)})
    ORDER BY created_at`);

export const auditOperations = { addAudit, audit, usage, openUsage };
