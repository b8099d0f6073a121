/** @file Runs. Every change takes a new revision, which tells that a message is out of date. */
import type { PictureSet, Run } from '../../core/records.ts';
import type { RunState } from '../records.ts';
import type { Operation } from './database.ts';
import { SET } from './sets.ts';
import { firstRow, found, onlyRow } from './rows.ts';
import { assignments, json, modelIn, sql } from './sql.ts';

export const RUN = sql`
  id, channel_id AS "channelId", subject_id AS "subjectId", member_id AS "memberId", state, model, settings, seed,
  photo_hashes AS "photoHashes", photo_prompts AS "photoPrompts", progress, losses, scores, refinement, sweep, preference, failure, revision,
  created_at AS "createdAt", started_at AS "startedAt", ended_at AS "endedAt"`;

const addRun: Operation<'addRun'> = (db) => async (run) => {
  const rows = await db.query<Run>(sql`
    INSERT INTO krona.run (
      id, channel_id, subject_id, member_id, state, model, settings, seed, photo_hashes, photo_prompts,
      progress, losses, scores, refinement, sweep, preference, failure, started_at, ended_at
    ) VALUES (
      ${run.id}, ${run.channelId}, ${run.subjectId}, ${run.memberId}, ${run.state},
      ${modelIn(run.model, run.channelId)}, ${json(run.settings)},
      ${run.seed}, ${run.photoHashes}, ${run.photoPrompts ?? []}, ${json(run.progress)}, ${json(run.losses ?? [])}, ${json(run.scores ?? [])},
      ${json(run.refinement)}, ${json(run.sweep)}, ${json(run.preference ?? [])}, ${json(run.failure)},
      ${run.startedAt}, ${run.endedAt}
    )
    RETURNING ${RUN}`);
  return onlyRow(rows);
};

const run: Operation<'run'> = (db) => async (id) =>
  firstRow(await db.query<Run>(sql`SELECT ${RUN} FROM krona.run WHERE id = ${id}`));

const runs: Operation<'runs'> = (db) => (channelId, limit) =>
  db.query<Run>(sql`
    SELECT ${RUN} FROM krona.run
    WHERE channel_id = ${channelId}
    ORDER BY made DESC
    LIMIT ${limit}`);

const openWork: Operation<'openWork'> = (db) => async (channelId) => {
  const runs = await db.query<Run>(sql`
    SELECT ${RUN} FROM krona.run
    WHERE channel_id = ${channelId} AND state IN ('queued', 'running')
    ORDER BY made`);
  const sets = await db.query<PictureSet>(sql`
    SELECT ${SET} FROM krona.picture_set
    WHERE channel_id = ${channelId} AND state IN ('queued', 'running')
    ORDER BY made`);
  return { runs, sets };
};

const updateRun: Operation<'updateRun'> = (db) => async (id, change) => {
  const columns = assignments({
    state: change.state,
    progress: json(change.progress),
    losses: json(change.losses),
    scores: json(change.scores),
    refinement: json(change.refinement),
    sweep: json(change.sweep),
    preference: json(change.preference),
    failure: json(change.failure),
    started_at: change.startedAt,
    ended_at: change.endedAt,
  });
  const changed = await db.query(sql`
    UPDATE krona.run SET revision = krona.next_revision()${columns} WHERE id = ${id} RETURNING id`);
  found(changed, 'RUN', id);
};

const runState: Operation<'runState'> = (db) => async (id) => {
  const rows = await db.query<RunState>(sql`
    SELECT state_hash AS hash, coalesce(state_step, 0) AS step FROM krona.run
    WHERE id = ${id} AND state_hash IS NOT NULL`);
  return firstRow(rows);
};

// No message shows it, so the revision stays.
const saveRunState: Operation<'saveRunState'> = (db) => async (id, state) => {
  await db.query(sql`
    UPDATE krona.run SET state_hash = ${state?.hash ?? null}, state_step = ${state?.step ?? null}
    WHERE id = ${id} AND coalesce(state_step, 0) <= ${state?.step ?? 2 ** 31 - 1}`);
};

const runsToJudge: Operation<'runsToJudge'> = (db) => async () => {
  const rows = await db.query<{ id: string }>(sql`
    SELECT id FROM krona.run
    WHERE state = 'done' AND (refinement IS NOT NULL OR sweep IS NOT NULL)
      AND coalesce(refinement, sweep)->>'kept' IS NULL
      AND NOT EXISTS (SELECT FROM krona.duel WHERE duel.run_id = run.id)
      AND NOT EXISTS (SELECT FROM krona.duel WHERE duel.subject_id = run.subject_id AND duel.state = 'open')
    ORDER BY made`);
  return rows.map(({ id }) => id);
};

export const runOperations = {
  addRun,
  run,
  runState,
  saveRunState,
  runsToJudge,
  runs,
  openWork,
  updateRun,
};
