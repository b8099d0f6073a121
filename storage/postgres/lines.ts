/** @file The lines of web channels' conversations. */
import { KronaError } from '../../core/errors.ts';
import type { ChatLine } from '../../core/records.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { found } from './found.ts';
import { json, sql } from './sql.ts';

const LINE = sql`
  id, channel_id AS "channelId", member_id AS "memberId", body, revision, created_at AS "createdAt"`;

type LineRecords = Pick<Records, 'addLine' | 'updateLine' | 'removeLine' | 'lines'>;

export const lineRecords = (db: Database): LineRecords => ({
  async addLine({ id, channelId, memberId, body }) {
    const [added] = await db.query<ChatLine>(sql`
      INSERT INTO krona.chat_line (id, channel_id, member_id, body)
      VALUES (${id}, ${channelId}, ${memberId}, ${json(body)})
      ON CONFLICT (id) DO NOTHING
      RETURNING ${LINE}`);
    if (added) return { ...added, added: true };
    const [own] = await db.query<ChatLine>(sql`
      SELECT ${LINE} FROM krona.chat_line
      WHERE id = ${id} AND channel_id = ${channelId} AND member_id IS NOT DISTINCT FROM ${memberId}`);
    if (own) return { ...own, added: false };
    throw new KronaError('LINE_ID_TAKEN', 'Another message has this id. Send it again with a new one.');
  },

  async updateLine({ id, channelId, memberId, body }) {
    const changed = await db.query(sql`
      UPDATE krona.chat_line SET revision = krona.next_revision(), body = ${json(body)}
      WHERE id = ${id} AND channel_id = ${channelId} AND member_id IS NOT DISTINCT FROM ${memberId}
      RETURNING id`);
    found(changed, 'LINE', id);
  },

  async removeLine(id) {
    await db.query(sql`
      UPDATE krona.chat_line SET revision = krona.next_revision(), body = 'null'
      WHERE id = ${id} AND body <> 'null'`);
  },

  async lines(channelId, since, limit) {
    const newestFirst = await db.query<ChatLine>(sql`
      SELECT ${LINE} FROM krona.chat_line
      WHERE channel_id = ${channelId} AND revision > ${since} AND (${since} > 0 OR body <> 'null')
      ORDER BY revision DESC
      LIMIT ${limit}`);
    return newestFirst.reverse();
  },
});
