/** @file The galleries of channels: one row for each picture that they show, with an index for each way to search. */
import type { GalleryPicture, GallerySearch } from '../../core/records.ts';
import { Slots } from '../../core/slots.ts';
import { LIKES } from '../../core/votes/emoji.ts';
import type { Database, Operation } from './database.ts';
import { sql, type Sql } from './sql.ts';

/** The kinds of sets that members asked for: no samples, and no pairs of duels, which are compared blindly. */
const KINDS = ['imagine', 'upscale', 'finals'];

/** A common table expression, to follow `added`, the ids of pictures that were just added. */
export const enterGallery = sql`
  entered AS (
    INSERT INTO krona.gallery_entry (picture_id, channel_id, member_id, prompt, marks)
    SELECT added.id, asked.channel_id, asked.member_id, typed.prompt,
      krona.gallery_marks(asked.channel_id, asked.subject_id, asked.also_adapter_ids, typed.prompt)
    FROM added JOIN krona.picture_set AS asked ON asked.id = added.set_id,
      LATERAL (SELECT coalesce(added.prompt, asked.prompt) AS prompt) AS typed
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

/** Entries of a channel, in order, among which marks are looked for first: some milliseconds. */
const NEAR = 5_000;

/** What a picture must have, as a query of text search; null: no words and no subject. */
function marksOf({ channelId, words, subjectId }: GallerySearch): Sql | null {
  if (words.length === 0 && subjectId === null) return null;
  const marks = [`'channel:${channelId}'`, ...(subjectId === null ? [] : [`'subject:${subjectId}'`])];
  const exact = sql`${marks.join(' & ')}::tsquery`;
  if (words.length === 0) return exact;
  // Words have letters and digits alone.
  return sql`${exact} && to_tsquery('simple', ${words.map((word) => `'${word}':*`).join(' & ')})`;
}

const FOUND = sql`
  SELECT entry.place, entry.prompt, entry.likes, entry.member_id AS "memberId", picture.id, picture.set_id AS "setId",
    picture.blob_hash AS "blobHash", picture.width, picture.height
  FROM entry JOIN krona.picture ON picture.id = entry.picture_id`;

const all = (conditions: readonly Sql[]): Sql =>
  conditions.reduce((before, each) => sql`${before} AND ${each}`, sql`true`);

const findInGallery: Operation<'gallery'> =
  (db) =>
  async (search, { before, after }, limit) => {
    const { channelId, memberId, likes } = search;
    const order = after === null ? sql`ORDER BY place DESC` : sql`ORDER BY place`;
    const inPlace = [
      sql`channel_id = ${channelId}`,
      ...(before === null ? [] : [sql`place < ${before}`]),
      ...(after === null ? [] : [sql`place > ${after}`]),
    ];
    const rest = [
      ...(memberId === null ? [] : [sql`member_id = ${memberId}`]),
      ...(likes === 0 ? [] : [sql`likes > 0 AND likes >= ${likes}`]),
    ];
    const marks = marksOf(search);
    const has = marks === null ? [] : [sql`marks @@ (${marks})`];
    const first = (entries: Sql): Promise<GalleryPicture[]> =>
      db.query<GalleryPicture>(sql`WITH entry AS MATERIALIZED (${entries}) ${FOUND} ${order}`);
    const from = sql`SELECT * FROM krona.gallery_entry WHERE`;
    const near = sql`SELECT * FROM (${from} ${all(inPlace)} ${order} LIMIT ${NEAR}) AS near WHERE`;
    // A page full of what is frequent is near. What is rare is found by its marks, and put in order: asked for together, the
    // planner goes through all entries in order, as it can't tell how rare the beginning of a word is.
    let found =
      marks === null
        ? await first(sql`${from} ${all([...inPlace, ...rest])} ${order} LIMIT ${limit}`)
        : await first(sql`${near} ${all([...rest, ...has])} ${order} LIMIT ${limit}`);
    if (marks !== null && found.length < limit)
      found = await first(sql`
        SELECT * FROM (
          WITH marked AS MATERIALIZED (${from} ${all([...inPlace, ...rest, ...has])}) SELECT * FROM marked
        ) AS marked ${order} LIMIT ${limit}`);
    return after === null ? found : found.toReversed();
  };

/** Of all searches one at a time: of the process's two connections, the other one is left for everything else. */
const gallery: Operation<'gallery'> = (db) => {
  const [find, turns] = [findInGallery(db), new Slots(1)];
  return async (...asked) => (await turns.start(() => find(...asked))).work;
};

const inGallery: Operation<'inGallery'> = (db) => async (channelId, pictureId) => {
  const found = await db.query(sql`
    SELECT FROM krona.gallery_entry WHERE picture_id = ${pictureId} AND channel_id = ${channelId}`);
  return found.length > 0;
};

export const galleryOperations = { gallery, inGallery };
