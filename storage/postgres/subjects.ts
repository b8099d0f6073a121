/** @file Subjects, their photos and their champions. */
import { KronaError } from '../../core/errors.ts';
import type { ChampionChange, Photo, Subject } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { endPosts } from './posts.ts';
import { firstRow, found } from './rows.ts';
import { sql } from './sql.ts';

export const SUBJECT = sql`
  id, channel_id AS "channelId", name, class_name AS "className", token, owner_id AS "ownerId",
  champion_id AS "championId", champion_pinned AS "championPinned", created_at AS "createdAt"`;

export const PHOTO = sql`
  id, subject_id AS "subjectId", member_id AS "memberId", blob_hash AS "blobHash", size, width, height,
  file_name AS "fileName", caption, created_at AS "createdAt"`;

const CHANGE = sql`
  id, subject_id AS "subjectId", adapter_id AS "adapterId", cause, member_id AS "memberId", reason,
  picture_id AS "pictureId", at`;

/** The form in which names are compared: case and compatibility forms (such as full-width letters) are ignored. */
export const nameKey = (name: string): string => name.normalize('NFKC').toLowerCase();

const addSubject: Operation<'addSubject'> =
  (db) =>
  async ({ id, channelId, name, className, token, ownerId }) => {
    const [added] = await db.query<Subject>(sql`
      INSERT INTO krona.subject (id, channel_id, name, name_key, class_name, token, owner_id)
      VALUES (${id}, ${channelId}, ${name}, ${nameKey(name)}, ${className}, ${token}, ${ownerId})
      ON CONFLICT ON CONSTRAINT subject_name_unique DO NOTHING
      RETURNING ${SUBJECT}`);
    if (added) return added;
    throw new KronaError(
      'SUBJECT_EXISTS',
      `This channel already has a subject called "${name}"; add photos to it, or choose another name.`,
    );
  };

const subject: Operation<'subject'> = (db) => async (id) =>
  firstRow(await db.query<Subject>(sql`SELECT ${SUBJECT} FROM krona.subject WHERE id = ${id}`));

const subjectByName: Operation<'subjectByName'> = (db) => async (channelId, name) =>
  firstRow(
    await db.query<Subject>(sql`
    SELECT ${SUBJECT} FROM krona.subject WHERE channel_id = ${channelId} AND name_key = ${nameKey(name)}`),
  );

const subjects: Operation<'subjects'> = (db) => (channelId) =>
  db.query<Subject>(sql`
    SELECT ${SUBJECT} FROM krona.subject WHERE channel_id = ${channelId} ORDER BY made`);

const setChampion: Operation<'setChampion'> = (db) => async (subjectId, adapterId, pinned) => {
  const changed = await db.query(sql`
    UPDATE krona.subject SET champion_id = ${adapterId}, champion_pinned = ${pinned}
    WHERE id = ${subjectId}
    RETURNING id`);
  found(changed, 'SUBJECT', subjectId);
};

const changeChampion: Operation<'changeChampion'> =
  (db) =>
  async ({ id, subjectId, adapterId, cause, memberId, reason, pictureId }, pinned) => {
    const added = await db.query<ChampionChange>(sql`
      WITH crowned AS (
        UPDATE krona.subject SET champion_id = ${adapterId}, champion_pinned = ${pinned}
        WHERE id = ${subjectId}
        RETURNING id
      )
      INSERT INTO krona.champion_change (id, subject_id, adapter_id, cause, member_id, reason, picture_id)
      SELECT ${id}::uuid, id, ${adapterId}::uuid, ${cause}, ${memberId}::uuid, ${reason}, ${pictureId}::uuid
      FROM crowned
      RETURNING ${CHANGE}`);
    return found(added, 'SUBJECT', subjectId);
  };

const championChange: Operation<'championChange'> = (db) => async (id) =>
  firstRow(await db.query<ChampionChange>(sql`SELECT ${CHANGE} FROM krona.champion_change WHERE id = ${id}`));

const championChanges: Operation<'championChanges'> = (db) => (subjectId) =>
  db.query<ChampionChange>(sql`
    SELECT ${CHANGE} FROM krona.champion_change WHERE subject_id = ${subjectId} ORDER BY made`);

const deleteSubject: Operation<'deleteSubject'> = (db) => async (id, how) => {
  const runs = sql`SELECT id FROM krona.run WHERE subject_id = ${id}`;
  const sets = sql`
    SELECT id FROM krona.picture_set
    WHERE subject_id = ${id} OR run_id IN (${runs})
      OR adapter_id IN (SELECT id FROM krona.adapter WHERE subject_id = ${id})
      OR also_adapter_ids && ARRAY(SELECT id FROM krona.adapter WHERE subject_id = ${id})`;
  const changes = sql`SELECT id FROM krona.champion_change WHERE subject_id = ${id}`;
  const duels = sql`SELECT id FROM krona.duel WHERE subject_id = ${id}`;
  // One statement is one moment: all parts see the records as they were before it.
  await db.query(sql`
    WITH ended AS (
      ${endPosts(sql`${runs} UNION ALL ${sets} UNION ALL ${changes} UNION ALL ${duels}`, how)}
    ), drawn AS (
      DELETE FROM krona.picture_set WHERE id IN (${sets})
    )
    DELETE FROM krona.subject WHERE id = ${id}`);
};

const addPhoto: Operation<'addPhoto'> =
  (db) =>
  async ({ id, subjectId, memberId, blobHash, size = 0, width, height, fileName, caption = null }) => {
    const added = await db.query(sql`
      INSERT INTO krona.photo (id, subject_id, member_id, blob_hash, size, width, height, file_name, caption)
      VALUES (${id}, ${subjectId}, ${memberId}, ${blobHash}, ${size}, ${width}, ${height}, ${fileName}, ${caption})
      ON CONFLICT (subject_id, blob_hash) DO NOTHING
      RETURNING id`);
    return added.length > 0;
  };

const photos: Operation<'photos'> = (db) => (subjectId) =>
  db.query<Photo>(sql`
    SELECT ${PHOTO} FROM krona.photo WHERE subject_id = ${subjectId} ORDER BY made`);

const setCaption: Operation<'setCaption'> = (db) => async (photoId, caption) => {
  const changed = await db.query(sql`
    UPDATE krona.photo SET caption = ${caption} WHERE id = ${photoId} RETURNING id`);
  found(changed, 'PHOTO', photoId);
};

const removePhoto: Operation<'removePhoto'> = (db) => async (id) => {
  await db.query(sql`DELETE FROM krona.photo WHERE id = ${id}`);
};

export const subjectOperations = {
  addSubject,
  subject,
  subjectByName,
  subjects,
  setChampion,
  changeChampion,
  championChange,
  championChanges,
  deleteSubject,
  addPhoto,
  photos,
  setCaption,
  removePhoto,
};
