/** @file The galleries of channels: one row for each picture that they show, with an index for each way to search. */
import type { GalleryPicture, GallerySearch } from '../../core/records.ts';
import { LIKES } from '../../core/votes/emoji.ts';
import type { Database, Operation } from './database.ts';
import { sql, type Sql } from './sql.ts';

/** The kinds of sets that members asked for: no samples, and no pairs of duels, which are compared blindly. */
const KINDS = ['imagine', 'upscale', 'finals'];

/** A common table expression, to follow `added`, the ids of pictures that were just added. */
export const enterGallery = sql`
  entered AS (
    INSERT INTO krona.gallery_entry (picture_id, channel_id, member_id, subject_ids, prompt)
    SELECT added.id, asked.channel_id, asked.member_id,
      ARRAY(
        SELECT asked.subject_id WHERE asked.subject_id IS NOT NULL
        UNION SELECT subject_id FROM krona.adapter WHERE adapter.id = ANY (asked.also_adapter_ids)
      ),
      coalesce(added.prompt, asked.prompt)
    FROM added JOIN krona.picture_set AS asked ON asked.id = added.set_id
    WHERE NOT added.sensitive AND asked.kind = ANY (${KINDS})
  )`;

/** Counts the votes for some pictures again, after one was added or deleted. */
export async function countLikes(db: Database, pictureIds: readonly string[]): Promise<void> {
  await db.query(sql`
    UPDATE krona.gallery_entry AS entry SET likes = (
      SELECT count(DISTINCT member_id) FROM krona.standing_vote AS vote
      WHERE vote.picture_id = entry.picture_id AND vote.member_id <> entry.member_id
        AND regexp_replace(emoji, '^:|:$|::skin-tone-\\d|[\\uFE0F\\U0001F3FB-\\U0001F3FF]', '', 'g') = ANY (${LIKES})
    )
    WHERE picture_id = ANY (${pictureIds})`);
}

/** Conditions that each have an index. */
function conditions({ channelId, words, subjectId, memberId, likes }: GallerySearch): Sql {
  const query = words.map((word) => `'${word.replaceAll("'", "''")}':*`).join(' & ');
  return [
    sql`entry.channel_id = ${channelId}`,
    // The planner goes through the newest, or through those with the words, whichever are fewer.
    ...(words.length === 0 ? [] : [sql`to_tsvector('simple', entry.prompt) @@ to_tsquery('simple', ${query})`]),
    ...(subjectId === null ? [] : [sql`entry.subject_ids @> ARRAY[${subjectId}::uuid]`]),
    ...(memberId === null ? [] : [sql`entry.member_id = ${memberId}`]),
    ...(likes === 0 ? [] : [sql`entry.likes > 0 AND entry.likes >= ${likes}`]),
  ].reduce((all, each) => sql`${all} AND ${each}`);
}

const gallery: Operation<'gallery'> = (db) => async (search, { before, after }, limit) => {
  const page = sql`
    SELECT entry.place, entry.prompt, entry.likes, entry.member_id AS "memberId", picture.id, picture.set_id AS "setId",
      picture.blob_hash AS "blobHash", picture.width, picture.height
    FROM krona.gallery_entry AS entry JOIN krona.picture ON picture.id = entry.picture_id
    WHERE ${conditions(search)}`;
  if (after === null)
    return db.query<GalleryPicture>(sql`
      ${page} AND (${before}::bigint IS NULL OR entry.place < ${before}) ORDER BY entry.place DESC LIMIT ${limit}`);
  const newer = await db.query<GalleryPicture>(sql`
    ${page} AND entry.place > ${after} ORDER BY entry.place LIMIT ${limit}`);
  return newer.toReversed();
};

const inGallery: Operation<'inGallery'> = (db) => async (channelId, pictureId) => {
  const found = await db.query(sql`
    SELECT FROM krona.gallery_entry WHERE picture_id = ${pictureId} AND channel_id = ${channelId}`);
  return found.length > 0;
};

export const galleryOperations = { gallery, inGallery };
