/** @file Styles of channels: named pieces of prompts. */
import type { Style } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { sql } from './sql.ts';
import { nameKey } from './subjects.ts';

export const STYLE = sql`channel_id AS "channelId", name, prompt, negative, member_id AS "memberId"`;

const saveStyle: Operation<'saveStyle'> =
  (db) =>
  async ({ channelId, name, prompt, negative, memberId }) => {
    await db.query(sql`
      INSERT INTO krona.style (channel_id, name, name_key, prompt, negative, member_id)
      VALUES (${channelId}, ${name}, ${nameKey(name)}, ${prompt}, ${negative}, ${memberId})
      ON CONFLICT (channel_id, name_key) DO UPDATE
      SET name = excluded.name, prompt = excluded.prompt, negative = excluded.negative, member_id = excluded.member_id`);
  };

const styles: Operation<'styles'> = (db) => (channelId) =>
  db.query<Style>(sql`SELECT ${STYLE} FROM krona.style WHERE channel_id = ${channelId} ORDER BY name_key`);

const removeStyle: Operation<'removeStyle'> = (db) => async (channelId, name) => {
  await db.query(sql`
    DELETE FROM krona.style WHERE channel_id = ${channelId} AND name_key = ${nameKey(name)}`);
};

export const styleOperations = { saveStyle, styles, removeStyle };
