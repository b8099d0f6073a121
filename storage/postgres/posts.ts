/** @file Our messages in channels, and what they are behind of. */
import type { Post } from '../../core/records.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { found } from './found.ts';
import { sql, type Sql } from './sql.ts';

const POST = sql`
  post.id, post.channel_id AS "channelId", post.kind, post.target_id AS "targetId",
  post.message_id AS "messageId", post.former_message_ids AS "formerMessageIds", post.gone, post.shown_revision AS "shownRevision", post.created_at AS "createdAt"`;

type PostRecords = Pick<
  Records,
  'addPost' | 'post' | 'stalePosts' | 'postByMessage' | 'postOf' | 'recentPosts' | 'markPost' | 'removePost'
>;

/** Ends the posts of deleted targets: their messages are to go. `ids` selects the targets' ids. */
export const endPosts = (ids: Sql, how: string): Sql =>
  sql`UPDATE krona.post SET gone = ${how} WHERE target_id IN (${ids})`;

export const postRecords = (db: Database): PostRecords => ({
  async addPost({ id, channelId, kind, targetId }) {
    const [added] = await db.query<Post>(sql`
      INSERT INTO krona.post (id, channel_id, kind, target_id)
      VALUES (${id}, ${channelId}, ${kind}, ${targetId})
      RETURNING ${POST}`);
    return added!;
  },

  async post(id) {
    const [post] = await db.query<Post>(sql`SELECT ${POST} FROM krona.post WHERE id = ${id}`);
    return post ?? null;
  },

  stalePosts: (platform, limit) =>
    db.query<Post>(sql`
      SELECT ${POST}
      FROM krona.post
      JOIN krona.channel ON channel.id = post.channel_id
      LEFT JOIN krona.run ON run.id = post.target_id
      LEFT JOIN krona.picture_set ON picture_set.id = post.target_id
      LEFT JOIN krona.ranking ON ranking.id = post.target_id
      WHERE channel.platform = ${platform}
        AND (
          -- A change of champion does not change itself.
          coalesce(run.revision, picture_set.revision, ranking.revision, 0) > post.shown_revision OR post.gone IS NOT NULL
        )
      ORDER BY post.made
      LIMIT ${limit}`),

  async postByMessage(channelId, messageId) {
    const [post] = await db.query<Post>(sql`
      SELECT ${POST} FROM krona.post
      WHERE channel_id = ${channelId} AND (message_id = ${messageId} OR ${messageId} = ANY (former_message_ids))`);
    return post ?? null;
  },

  async postOf(targetId) {
    const [post] = await db.query<Post>(sql`
      SELECT ${POST} FROM krona.post
      WHERE target_id = ${targetId}
      ORDER BY made
      LIMIT 1`);
    return post ?? null;
  },

  recentPosts: (platform, limit) =>
    db.query<Post>(sql`
      SELECT ${POST}
      FROM krona.post
      JOIN krona.channel ON channel.id = post.channel_id
      WHERE channel.platform = ${platform} AND post.message_id IS NOT NULL
      ORDER BY post.made DESC
      LIMIT ${limit}`),

  async markPost(id, messageId, shownRevision) {
    // Two deliveries may end in the other order than they began: what is shown never seems older than it is.
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
  },

  async removePost(id) {
    await db.query(sql`DELETE FROM krona.post WHERE id = ${id}`);
  },
});
