/** @file Krona's messages in channels, and which of them are out of date. */
import type { Post } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { firstRow, found, onlyRow } from './rows.ts';
import { sql, type Sql } from './sql.ts';

const POST = sql`
  post.id, post.channel_id AS "channelId", post.kind, post.target_id AS "targetId",
  post.message_id AS "messageId", post.former_message_ids AS "formerMessageIds", post.gone, post.shown_revision AS "shownRevision", post.created_at AS "createdAt"`;

/** Marks the posts of deleted targets, so that their messages get deleted. `ids` selects the targets' ids. */
export const endPosts = (ids: Sql, how: string): Sql =>
  sql`UPDATE krona.post SET gone = ${how} WHERE target_id IN (${ids})`;

const addPost: Operation<'addPost'> =
  (db) =>
  async ({ id, channelId, kind, targetId }) => {
    const rows = await db.query<Post>(sql`
      INSERT INTO krona.post (id, channel_id, kind, target_id)
      VALUES (${id}, ${channelId}, ${kind}, ${targetId})
      RETURNING ${POST}`);
    return onlyRow(rows);
  };

const post: Operation<'post'> = (db) => async (id) =>
  firstRow(await db.query<Post>(sql`SELECT ${POST} FROM krona.post WHERE id = ${id}`));

const stalePosts: Operation<'stalePosts'> = (db) => (platform, limit) =>
  db.query<Post>(sql`
    SELECT ${POST}
    FROM krona.post
    JOIN krona.channel ON channel.id = post.channel_id
    WHERE channel.platform = ${platform} AND (post.gone IS NOT NULL OR post.target_revision > post.shown_revision)
    ORDER BY post.made
    LIMIT ${limit}`);

const postByMessage: Operation<'postByMessage'> = (db) => async (channelId, messageId) =>
  firstRow(
    await db.query<Post>(sql`
    SELECT ${POST} FROM krona.post WHERE channel_id = ${channelId} AND message_id = ${messageId}
    UNION ALL
    SELECT ${POST} FROM krona.post
    WHERE channel_id = ${channelId} AND former_message_ids <> '{}' AND ${messageId} = ANY (former_message_ids)
    LIMIT 1`),
  );

const postOf: Operation<'postOf'> = (db) => async (targetId) =>
  firstRow(
    await db.query<Post>(sql`
    SELECT ${POST} FROM krona.post
    WHERE target_id = ${targetId}
    ORDER BY made
    LIMIT 1`),
  );

const recentPosts: Operation<'recentPosts'> = (db) => (platform, limit) =>
  db.query<Post>(sql`
    WITH pair AS (
      SELECT post.id
      FROM krona.duel
      JOIN krona.picture_set ON picture_set.duel_id = duel.id
      JOIN krona.post ON post.target_id = picture_set.id
      WHERE duel.state = 'open' AND NOT trials @> jsonb_build_array(jsonb_build_object('place', duel_place))
    ), newest AS (
      SELECT post.id
      FROM krona.post
      JOIN krona.channel ON channel.id = post.channel_id
      WHERE channel.platform = ${platform} AND post.message_id IS NOT NULL
      ORDER BY post.made DESC
      LIMIT ${limit}
    )
    SELECT ${POST}
    FROM krona.post
    JOIN krona.channel ON channel.id = post.channel_id
    WHERE post.id IN (SELECT id FROM pair UNION SELECT id FROM newest)
      AND channel.platform = ${platform} AND post.message_id IS NOT NULL
    -- Pairs of duels wait for votes for days.
    ORDER BY post.id IN (SELECT id FROM pair) DESC, post.made DESC
    LIMIT ${limit}`);

const markPost: Operation<'markPost'> = (db) => async (id, messageId, shownRevision) => {
  // Two deliveries can end in another order than they began, so the shown revision never decreases.
  const changed = await db.query(sql`
    UPDATE krona.post
    SET message_id = ${messageId},
      shown_revision = greatest(shown_revision, ${shownRevision}),
      former_message_ids = CASE
        WHEN message_id IS DISTINCT FROM ${messageId} AND message_id IS NOT NULL
        THEN array_append(former_message_ids, message_id)
        ELSE former_message_ids
      END
    WHERE id = ${id}
    RETURNING id`);
  found(changed, 'POST', id);
};

const removePost: Operation<'removePost'> = (db) => async (id) => {
  await db.query(sql`DELETE FROM krona.post WHERE id = ${id}`);
};

export const postOperations = {
  addPost,
  post,
  stalePosts,
  postByMessage,
  postOf,
  recentPosts,
  markPost,
  removePost,
};
