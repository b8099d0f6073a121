/** @file Our messages in channels, and what they are behind of. */
import type { Post, Records } from '../contract.ts';
import type { Database } from './database.ts';
import { found } from './found.ts';
import { sql } from './sql.ts';

const POST = sql`
  post.id, post.channel_id AS "channelId",
  CASE WHEN post.run_id IS NULL THEN 'set' ELSE 'run' END AS kind,
  coalesce(post.run_id, post.set_id) AS "targetId",
  post.message_id AS "messageId", post.shown_revision AS "shownRevision", post.created_at AS "createdAt"`;

type PostRecords = Pick<
  Records,
  'addPost' | 'stalePosts' | 'postByMessage' | 'postOf' | 'recentPosts' | 'markPost'
>;

export const postRecords = (db: Database): PostRecords => ({
  async addPost({ id, channelId, kind, targetId }) {
    const [added] = await db.query<Post>(sql`
      INSERT INTO krona.post (id, channel_id, run_id, set_id)
      VALUES (${id}, ${channelId}, ${kind === 'run' ? targetId : null}, ${kind === 'set' ? targetId : null})
      RETURNING ${POST}`);
    return added!;
  },

  stalePosts: (platform, limit) =>
    db.query<Post>(sql`
      SELECT ${POST}
      FROM krona.post
      JOIN krona.channel ON channel.id = post.channel_id
      LEFT JOIN krona.run ON run.id = post.run_id
      LEFT JOIN krona.picture_set ON picture_set.id = post.set_id
      WHERE channel.platform = ${platform}
        AND coalesce(run.revision, picture_set.revision) > post.shown_revision
      ORDER BY post.made
      LIMIT ${limit}`),

  async postByMessage(channelId, messageId) {
    const [post] = await db.query<Post>(sql`
      SELECT ${POST} FROM krona.post WHERE channel_id = ${channelId} AND message_id = ${messageId}`);
    return post ?? null;
  },

  async postOf(targetId) {
    const [post] = await db.query<Post>(sql`
      SELECT ${POST} FROM krona.post
      WHERE run_id = ${targetId} OR set_id = ${targetId}
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
      SET message_id = ${messageId}, shown_revision = greatest(shown_revision, ${shownRevision})
      WHERE id = ${id}
      RETURNING id`);
    found(changed, 'POST', id);
  },
});
