/** @file Picture sets and their pictures. */
import type { HeldPicture, Picture, PictureSet } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { enterGallery } from './gallery.ts';
import { endPosts } from './posts.ts';
import { firstRow, found, onlyRow } from './rows.ts';
import { assignments, json, modelIn, sql, type Sql } from './sql.ts';

export const SET = sql`
  id, channel_id AS "channelId", member_id AS "memberId", kind, run_id AS "runId", subject_id AS "subjectId",
  prompt, negative, seed, count, strength, model, settings, adapter_id AS "adapterId",
  also_adapter_ids AS "alsoAdapterIds", variation_of AS "variationOf",
  upscale_of AS "upscaleOf", start, steering, awaits_run_id AS "awaitsRunId", duel_id AS "duelId", duel_place AS "duelPlace", prompt_length AS "promptLength",
  state, progress, failure,
  revision, created_at AS "createdAt", ended_at AS "endedAt"`;

export const PICTURE = sql`
  id, set_id AS "setId", index, blob_hash AS "blobHash", size, width, height, seed, prompt,
  adapter_id AS "adapterId", unsafe, sensitive`;

/**
 * Common table expressions, to follow WITH: they give a new revision to the sets that `ids` selects, and to the runs
 * whose samples they are, because a run's message shows its samples.
 */
export const touchSets = (ids: Sql): Sql => sql`
  touched_set AS (
    UPDATE krona.picture_set SET revision = krona.next_revision() WHERE id IN (${ids}) RETURNING run_id, kind
  ), touched_run AS (
    UPDATE krona.run SET revision = krona.next_revision() 
    WHERE id IN (SELECT run_id FROM touched_set WHERE kind = 'samples')
  )`;

const addSet: Operation<'addSet'> = (db) => async (set) => {
  const rows = await db.query<PictureSet>(sql`
    INSERT INTO krona.picture_set (
      id, channel_id, member_id, kind, run_id, subject_id, prompt, negative, seed, count, strength,
      model, settings, adapter_id, also_adapter_ids, variation_of, upscale_of, start, steering, awaits_run_id, duel_id, duel_place, state,
      progress, failure, ended_at
    ) VALUES (
      ${set.id}, ${set.channelId}, ${set.memberId}, ${set.kind}, ${set.runId}, ${set.subjectId}, ${set.prompt},
      ${set.negative}, ${set.seed}, ${set.count}, ${set.strength},
      ${modelIn(set.model, set.channelId)}, ${json(set.settings)}, ${set.adapterId},
      ${set.alsoAdapterIds ?? []}::uuid[], ${set.variationOf}, ${set.upscaleOf}, ${json(set.start)},
      ${json(set.steering)}, ${set.awaitsRunId}, ${set.duelId}, ${set.duelPlace}, ${set.state}, ${json(set.progress)}, ${json(set.failure)}, ${set.endedAt}
    )
    RETURNING ${SET}`);
  return onlyRow(rows);
};

const set: Operation<'set'> = (db) => async (id) =>
  firstRow(await db.query<PictureSet>(sql`SELECT ${SET} FROM krona.picture_set WHERE id = ${id}`));

const setsOfRun: Operation<'setsOfRun'> = (db) => (runId) =>
  db.query<PictureSet>(sql`
    SELECT ${SET} FROM krona.picture_set WHERE run_id = ${runId} ORDER BY made`);

const promptsOfSubject: Operation<'promptsOfSubject'> = (db) => async (subjectId) => {
  const rows = await db.query<{ prompt: string }>(sql`
    SELECT prompt FROM krona.picture_set
    WHERE subject_id = ${subjectId} AND kind = 'imagine' AND also_adapter_ids = '{}'
      AND channel_id = (SELECT channel_id FROM krona.subject WHERE id = ${subjectId})
    GROUP BY prompt ORDER BY max(made) DESC`);
  return rows.map(({ prompt }) => prompt);
};

const setsToRelease: Operation<'setsToRelease'> = (db) => () =>
  db.query<PictureSet>(sql`
    SELECT ${SET} FROM krona.picture_set
    WHERE awaits_run_id IS NOT NULL AND state = 'queued' AND EXISTS (
      SELECT FROM krona.run WHERE run.id = awaits_run_id AND run.state NOT IN ('queued', 'running')
    )
    ORDER BY made`);

const updateSet: Operation<'updateSet'> = (db) => async (id, change) => {
  const columns = assignments({
    state: change.state,
    progress: json(change.progress),
    failure: json(change.failure),
    ended_at: change.endedAt,
    adapter_id: change.adapterId,
    awaits_run_id: change.awaitsRunId,
    prompt_length: json(change.promptLength),
  });
  const changed = await db.query(sql`
    UPDATE krona.picture_set SET revision = krona.next_revision()${columns} WHERE id = ${id} RETURNING id`);
  found(changed, 'SET', id);
};

const deleteSet: Operation<'deleteSet'> = (db) => async (id, how) => {
  await db.query(sql`
    WITH ended AS (
      ${endPosts(sql`SELECT ${id}::uuid`, how)}
    ), announced AS (
      -- Announcements of champions lose the winning picture.
      UPDATE krona.post SET shown_revision = -1
      WHERE kind = 'champion' AND target_id IN (
        SELECT id FROM krona.champion_change
        WHERE picture_id IN (SELECT id FROM krona.picture WHERE set_id = ${id})
      )
    ), compared AS (
      -- So do the results of duels. Their other messages stay as they are.
      UPDATE krona.post SET shown_revision = -1
      WHERE kind = 'verdict' AND target_id = (SELECT duel_id FROM krona.picture_set WHERE id = ${id})
    )
    DELETE FROM krona.picture_set WHERE id = ${id}`);
};

const addPicture: Operation<'addPicture'> = (db) => async (picture) => {
  const { id, setId, index, blobHash, width, height, seed, adapterId } = picture;
  const { unsafe = null, sensitive = false, size = 0, prompt = null } = picture;
  await db.query(sql`
    WITH added AS (
      INSERT INTO krona.picture (
        id, set_id, index, blob_hash, size, width, height, seed, prompt, adapter_id, unsafe, sensitive
      ) VALUES (
        ${id}, ${setId}, ${index}, ${blobHash}, ${size}, ${width}, ${height}, ${seed}, ${prompt}, ${adapterId},
        ${unsafe}, ${sensitive}
      )
      ON CONFLICT (set_id, index) DO NOTHING
      RETURNING id, set_id, prompt, sensitive
    ), ${enterGallery}, ${touchSets(sql`SELECT set_id FROM added`)}
    SELECT FROM added`);
};

const pictures: Operation<'pictures'> = (db) => (setId) =>
  db.query<Picture>(sql`SELECT ${PICTURE} FROM krona.picture WHERE set_id = ${setId} ORDER BY index`);

const picture: Operation<'picture'> = (db) => async (id) =>
  firstRow(await db.query<Picture>(sql`SELECT ${PICTURE} FROM krona.picture WHERE id = ${id}`));

const holdPicture: Operation<'holdPicture'> =
  (db) =>
  async ({ setId, place, unsafe }) => {
    await db.query(sql`
      WITH added AS (
        INSERT INTO krona.held_picture (set_id, place, unsafe)
        VALUES (${setId}, ${place}, ${unsafe})
        ON CONFLICT DO NOTHING
        RETURNING set_id
      ), ${touchSets(sql`SELECT set_id FROM added`)}
      SELECT FROM added`);
  };

const heldPictures: Operation<'heldPictures'> = (db) => (setId) =>
  db.query<HeldPicture>(sql`
    SELECT set_id AS "setId", place, unsafe FROM krona.held_picture WHERE set_id = ${setId} ORDER BY place`);

export const setOperations = {
  addSet,
  set,
  setsOfRun,
  promptsOfSubject,
  setsToRelease,
  updateSet,
  deleteSet,
  addPicture,
  pictures,
  picture,
  holdPicture,
  heldPictures,
};
