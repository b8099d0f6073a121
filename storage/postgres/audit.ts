/** @file The log of each channel, and usage for quotas. */
import type { AuditEntry, Usage } from '../../core/records.ts';
import type { Operation } from './database.ts';
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
    WHERE channel_id = ${channelId}
    ORDER BY made DESC
    LIMIT ${limit}`);

const usage: Operation<'usage'> = (db) => (channelId, action, since) =>
  db.query<Usage>(sql`
    SELECT audit_entry.member_id AS "memberId", audit_entry.amount, audit_entry.at
    FROM krona.audit_entry
    LEFT JOIN krona.run ON run.id = audit_entry.target_id
    LEFT JOIN krona.picture_set ON picture_set.id = audit_entry.target_id
    WHERE audit_entry.channel_id = ${channelId} AND audit_entry.action = ${action}
      AND audit_entry.at > ${since} AND audit_entry.amount > 0
      AND coalesce(run.state, picture_set.state, '') <> 'failed'
    ORDER BY audit_entry.made`);

export const auditOperations = { addAudit, audit, usage };
