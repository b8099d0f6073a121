/** @file How many bytes of blobs the records refer to. */
import type { Operation } from './database.ts';
import { channelsWithin } from './reach.ts';
import { onlyRow } from './rows.ts';
import { sql, type Sql } from './sql.ts';

/** Files with their channel, member and size. */
export const STORED = sql`
  SELECT subject.channel_id, photo.member_id, photo.size
  FROM krona.photo JOIN krona.subject ON subject.id = photo.subject_id
  UNION ALL
  SELECT adapter.channel_id, run.member_id, adapter.size
  FROM krona.adapter JOIN krona.run ON run.id = adapter.run_id
  UNION ALL
  SELECT channel_id, member_id, stored FROM krona.picture_set
  UNION ALL
  SELECT channel_id, member_id, (start ->> 'size')::bigint FROM krona.picture_set WHERE start IS NOT NULL`;

/** A lateral subquery: the bytes in a channel, through its indexes; of all members, or of one. */
export const storedIn = (channel: Sql, memberId: string | null = null): Sql => sql`
  LATERAL (
    SELECT coalesce(sum(size), 0)::bigint AS bytes FROM (${STORED}) AS stored
    WHERE stored.channel_id = ${channel} ${memberId === null ? sql`` : sql`AND stored.member_id = ${memberId}`}
  )`;

const storedBytes: Operation<'storedBytes'> =
  (db) =>
  async ({ channelId, reach, memberId = null }) => {
    const within = reach === 'all' ? sql`SELECT id FROM krona.channel` : channelsWithin(channelId, reach);
    const rows = await db.query<{ bytes: number }>(sql`
      SELECT coalesce(sum(part.bytes), 0)::bigint AS bytes
      FROM (${within}) AS within, ${storedIn(sql`within.id`, memberId)} AS part`);
    return onlyRow(rows).bytes;
  };

export const storageOperations = { storedBytes };
