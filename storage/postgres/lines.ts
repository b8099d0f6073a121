/** @file The lines of conversations in the web chat. */
import { KronaError } from '../../core/errors.ts';
import type { ChatLine } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { found } from './rows.ts';
import { json, sql } from './sql.ts';

const LINE = sql`
  id, channel_id AS "channelId", member_id AS "memberId", body, revision, made AS place, created_at AS "createdAt"`;

const addLine: Operation<'addLine'> = (db) => async (line) => {
  const { id, channelId, memberId, body } = line;
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
};

const updateLine: Operation<'updateLine'> = (db) => async (line) => {
  const { id, channelId, memberId, body } = line;
  const changed = await db.query(sql`
    UPDATE krona.chat_line SET revision = krona.next_revision(), body = ${json(body)}
    WHERE id = ${id} AND channel_id = ${channelId} AND member_id IS NOT DISTINCT FROM ${memberId}
    RETURNING id`);
  found(changed, 'LINE', id);
};

const removeLine: Operation<'removeLine'> = (db) => async (channelId, memberId, id) => {
  await db.query(sql`
    UPDATE krona.chat_line SET revision = krona.next_revision(), body = 'null'
    WHERE id = ${id} AND channel_id = ${channelId} AND member_id IS NOT DISTINCT FROM ${memberId}
      AND body <> 'null'`);
};

const lines: Operation<'lines'> = (db) => async (channelId, since, limit) => {
  const newestFirst = await db.query<ChatLine>(sql`
    SELECT ${LINE} FROM krona.chat_line
    WHERE channel_id = ${channelId} AND revision > ${since} AND (${since} > 0 OR body <> 'null')
    ORDER BY revision DESC
    LIMIT ${limit}`);
  return newestFirst.reverse();
};

const linesBefore: Operation<'linesBefore'> = (db) => async (channelId, place, limit) => {
  const newestFirst = await db.query<ChatLine>(sql`
    SELECT ${LINE} FROM krona.chat_line
    WHERE channel_id = ${channelId} AND (${place}::bigint IS NULL OR made < ${place}) AND body <> 'null'
    ORDER BY made DESC
    LIMIT ${limit}`);
  return newestFirst.reverse();
};

export const lineOperations = { addLine, updateLine, removeLine, lines, linesBefore };
