/** @file Blind duels of two adapters. */
import type { Duel, PictureSet } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { firstRow, found, onlyRow } from './rows.ts';
import { SET } from './sets.ts';
import { assignments, json, sql } from './sql.ts';

const DUEL = sql`
  id, channel_id AS "channelId", subject_id AS "subjectId", member_id AS "memberId", first_id AS "firstId",
  second_id AS "secondId", run_id AS "runId", prompts, swapped, seed, settings, posted, trials, state, reason, revision,
  created_at AS "createdAt", ends_at AS "endsAt", ended_at AS "endedAt"`;

const addDuel: Operation<'addDuel'> = (db) => async (duel) => {
  const rows = await db.query<Duel>(sql`
    INSERT INTO krona.duel (
      id, channel_id, subject_id, member_id, first_id, second_id, run_id, prompts, swapped, seed, settings, state, ends_at
    ) VALUES (
      ${duel.id}, ${duel.channelId}, ${duel.subjectId}, ${duel.memberId}, ${duel.firstId}, ${duel.secondId},
      ${duel.runId}, ${duel.prompts}, ${duel.swapped}, ${duel.seed}, ${json(duel.settings)}, 'open', ${duel.endsAt}
    )
    RETURNING ${DUEL}`);
  return onlyRow(rows);
};

const duel: Operation<'duel'> = (db) => async (id) =>
  firstRow(await db.query<Duel>(sql`SELECT ${DUEL} FROM krona.duel WHERE id = ${id}`));

const duelOfRun: Operation<'duelOfRun'> = (db) => async (runId) =>
  firstRow(await db.query<Duel>(sql`SELECT ${DUEL} FROM krona.duel WHERE run_id = ${runId}`));

const openDuels: Operation<'openDuels'> = (db) => (channelId) =>
  db.query<Duel>(sql`
    SELECT ${DUEL} FROM krona.duel WHERE channel_id = ${channelId} AND state = 'open' ORDER BY made`);

const duelsToLookAt: Operation<'duelsToLookAt'> = (db) => async () => {
  const rows = await db.query<{ id: string }>(sql`
    SELECT id FROM krona.duel
    WHERE state = 'open' AND (
      ends_at <= clock_timestamp() OR first_id IS NULL OR second_id IS NULL
      OR looked_at <> (SELECT coalesce(sum(revision), 0) FROM krona.picture_set WHERE duel_id = duel.id)
    )
    ORDER BY made`);
  return rows.map(({ id }) => id);
};

const setsOfDuel: Operation<'setsOfDuel'> = (db) => (duelId) =>
  db.query<PictureSet>(sql`
    SELECT ${SET} FROM krona.picture_set WHERE duel_id = ${duelId} ORDER BY duel_place`);

const updateDuel: Operation<'updateDuel'> = (db) => async (id, change) => {
  // The message of a pair says that it is closed, and at the end who drew what.
  const closed = (change.trials ?? []).map(({ place }) => place);
  await db.query(sql`
    UPDATE krona.picture_set SET revision = krona.next_revision()
    WHERE duel_id = ${id} AND (
      ${change.state !== undefined}::boolean
      OR duel_place = ANY (${closed}::integer[]) AND NOT EXISTS (
        SELECT FROM krona.duel, jsonb_array_elements(trials) AS trial
        WHERE duel.id = ${id} AND (trial ->> 'place')::integer = duel_place
      )
    )`);
  const columns = assignments({
    posted: change.posted,
    trials: json(change.trials),
    state: change.state,
    reason: change.reason,
    ended_at: change.endedAt,
  });
  const changed = await db.query(sql`
    UPDATE krona.duel SET
      revision = krona.next_revision(),
      looked_at = (SELECT coalesce(sum(revision), 0) FROM krona.picture_set WHERE duel_id = ${id})${columns}
    WHERE id = ${id}
    RETURNING id`);
  found(changed, 'DUEL', id);
};

const duelLookedAt: Operation<'duelLookedAt'> = (db) => async (id) => {
  await db.query(sql`
    UPDATE krona.duel
    SET looked_at = (SELECT coalesce(sum(revision), 0) FROM krona.picture_set WHERE duel_id = ${id})
    WHERE id = ${id}`);
};

export const duelOperations = {
  addDuel,
  duel,
  duelOfRun,
  openDuels,
  duelsToLookAt,
  setsOfDuel,
  updateDuel,
  duelLookedAt,
};
