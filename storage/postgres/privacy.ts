/** @file Everything about one member: read and erased; and the blobs that are still in use. */
import type {
  AcceptedLicence,
  AuditEntry,
  DuelVote,
  MemberData,
  PictureSet,
  Photo,
  Pull,
  Run,
  Style,
  Subject,
  VoteFact,
} from '../../core/records.ts';
import { ENTRY } from './audit.ts';
import { patiently, type Operation } from './database.ts';
import { countLikes } from './gallery.ts';
import { LICENCE, PULL } from './models.ts';
import { RUN } from './runs.ts';
import { SET, setOperations, touchSets } from './sets.ts';
import { STYLE } from './styles.ts';
import { sql } from './sql.ts';
import { PHOTO, SUBJECT } from './subjects.ts';
import { FACT } from './votes.ts';

const memberData: Operation<'memberData'> = (db) => async (id) => {
  return {
    subjects: await db.query<Subject>(
      sql`SELECT ${SUBJECT} FROM krona.subject WHERE owner_id = ${id} ORDER BY made`,
    ),
    photos: await db.query<Photo>(
      sql`SELECT ${PHOTO} FROM krona.photo WHERE member_id = ${id} ORDER BY made`,
    ),
    runs: await db.query<Run>(sql`SELECT ${RUN} FROM krona.run WHERE member_id = ${id} ORDER BY made`),
    sets: await db.query<PictureSet>(
      // The seed of a pair would tell which adapter drew which picture.
      sql`
      SELECT ${SET} FROM krona.picture_set
      WHERE member_id = ${id}
        AND NOT EXISTS (SELECT FROM krona.duel WHERE duel.id = duel_id AND duel.state = 'open')
      ORDER BY made`,
    ),
    styles: await db.query<Style>(
      sql`SELECT ${STYLE} FROM krona.style WHERE member_id = ${id} ORDER BY name_key`,
    ),
    votes: await db.query<VoteFact>(
      sql`SELECT ${FACT} FROM krona.vote_fact WHERE member_id = ${id} ORDER BY at, nth`,
    ),
    duels: await db.query<MemberData['duels'][number]>(sql`
      SELECT id, channel_id AS "channelId", subject_id AS "subjectId", first_id AS "firstId", second_id AS "secondId",
        prompts, state, reason, created_at AS "createdAt", ended_at AS "endedAt"
      FROM krona.duel WHERE member_id = ${id} ORDER BY made`),
    duelVotes: await db.query<DuelVote>(sql`
      SELECT vote_fact.id, duel.id AS "duelId", duel_place AS place,
        CASE WHEN duel.state = 'open' THEN NULL ELSE picture.adapter_id END AS "adapterId"
      FROM krona.vote_fact
      JOIN krona.picture ON picture.id = picture_id
      JOIN krona.picture_set ON picture_set.id = set_id
      JOIN krona.duel ON duel.id = duel_id
      WHERE vote_fact.member_id = ${id}
      ORDER BY at, nth`),
    pulls: await db.query<Pull>(sql`SELECT ${PULL} FROM krona.pull WHERE member_id = ${id} ORDER BY made`),
    licences: await db.query<AcceptedLicence>(
      sql`SELECT ${LICENCE} FROM krona.accepted_licence WHERE member_id = ${id} ORDER BY accepted_at, licence`,
    ),
    entries: await db.query<AuditEntry>(
      sql`SELECT ${ENTRY} FROM krona.audit_entry WHERE member_id = ${id} ORDER BY made`,
    ),
  };
};

const eraseMember: Operation<'eraseMember'> = (database) => async (id) => {
  const db = patiently(database);
  // Captions also stand in the runs that were trained with the photos.
  const photos = await db.query(sql`
    WITH gone AS (
      DELETE FROM krona.photo WHERE member_id = ${id} RETURNING id, subject_id, blob_hash
    ), silenced AS (
      UPDATE krona.run
      SET photo_prompts = ARRAY(
        SELECT CASE
          WHEN hash IN (SELECT blob_hash FROM gone WHERE gone.subject_id = run.subject_id) THEN NULL
          ELSE prompt
        END
        FROM unnest(photo_hashes, photo_prompts) WITH ORDINALITY AS said(hash, prompt, place)
        ORDER BY place
      )
      WHERE photo_prompts <> '{}' AND subject_id IN (SELECT subject_id FROM gone)
    )
    SELECT id FROM gone`);
  // A picture that they sent and had enlarged shows the same.
  const enlarged = await db.query<{ id: string }>(sql`
    SELECT id FROM krona.picture_set
    WHERE kind = 'upscale' AND coalesce((start ->> 'memberId')::uuid, member_id) = ${id} AND start IS NOT NULL`);
  for (const set of enlarged)
    await setOperations.deleteSet(database)(set.id, 'By the member whose picture it shows.');
  // Pictures that they began sets with are photos too, also where others drew from them again.
  const starts = await db.query(sql`
    UPDATE krona.picture_set
    SET start = start || '{"blobHash": null, "maskHash": null, "size": 0}', revision = krona.next_revision()
    WHERE coalesce((start ->> 'memberId')::uuid, member_id) = ${id} AND start ->> 'blobHash' IS NOT NULL
    RETURNING id`);
  const votes = await db.query<{ pictureId: string }>(sql`
    WITH fact AS (
      DELETE FROM krona.vote_fact WHERE member_id = ${id} RETURNING id, picture_id
    ), ${touchSets(sql`SELECT set_id FROM krona.picture WHERE id IN (SELECT picture_id FROM fact)`)},
    touched_ranking AS (
      UPDATE krona.ranking SET revision = krona.next_revision()
      WHERE id IN (
        SELECT ranking_id FROM krona.ranked_picture WHERE picture_id IN (SELECT picture_id FROM fact)
      )
    )
    SELECT picture_id AS "pictureId" FROM fact`);
  await countLikes(
    db,
    votes.map(({ pictureId }) => pictureId),
  );
  await db.query(sql`
    UPDATE krona.chat_line
    SET body = jsonb_set(body, '{photos}', '[]'), revision = krona.next_revision()
    WHERE member_id = ${id} AND jsonb_array_length(coalesce(body -> 'photos', '[]')) > 0`);
  await db.query(sql`UPDATE krona.member SET erased_at = clock_timestamp() WHERE id = ${id}`);
  return { photos: photos.length + enlarged.length + starts.length, votes: votes.length };
};

const blobsInUse: Operation<'blobsInUse'> = (db) => async () => {
  const rows = await patiently(db).query<{ hash: string }>(sql`
    SELECT blob_hash AS hash FROM krona.photo
    UNION SELECT blob_hash FROM krona.adapter
    UNION SELECT blob_hash FROM krona.picture
    UNION SELECT start ->> 'blobHash' FROM krona.picture_set WHERE start ->> 'blobHash' IS NOT NULL
    UNION SELECT start ->> 'maskHash' FROM krona.picture_set WHERE start ->> 'maskHash' IS NOT NULL
    -- A finished run needs no photos.
    UNION SELECT unnest(photo_hashes) FROM krona.run WHERE state IN ('queued', 'running')
    UNION SELECT state_hash FROM krona.run WHERE state IN ('queued', 'running') AND state_hash IS NOT NULL
    UNION SELECT refinement ->> 'votesHash' FROM krona.run
      WHERE state IN ('queued', 'running') AND refinement ->> 'votesHash' IS NOT NULL
    UNION SELECT file #>> '{}' FROM krona.run, jsonb_path_query(sweep, '$.cells[*].files.*') AS file
      WHERE state IN ('queued', 'running') AND jsonb_typeof(file) = 'string'
    -- A line refers to blobs by these keys alone: a text or file name that is a hash is no reference.
    UNION SELECT blob #>> '{}' FROM krona.chat_line, jsonb_path_query(body, '$.card.**.blobHash') AS blob
    UNION SELECT thumb #>> '{}' FROM krona.chat_line, jsonb_path_query(body, '$.photos[*].thumb') AS thumb
      WHERE jsonb_typeof(thumb) = 'string'`);
  return new Set(rows.map(({ hash }) => hash));
};

export const privacyOperations = { memberData, eraseMember, blobsInUse };
