/** @file Runs. Every change takes a new revision, so that messages know they are behind. */
import type { PictureSet, Run } from '../../core/records.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { found } from './found.ts';
import { SET } from './sets.ts';
import { assignments, json, sql } from './sql.ts';

export const RUN = sql`
  id, channel_id AS "channelId", subject_id AS "subjectId", member_id AS "memberId", state, settings, seed,
  photo_hashes AS "photoHashes", photo_prompts AS "photoPrompts", progress, losses, failure, revision,
  created_at AS "createdAt", started_at AS "startedAt", ended_at AS "endedAt"`;

type RunRecords = Pick<Records, 'addRun' | 'run' | 'runs' | 'openWork' | 'updateRun'>;

export const runRecords = (db: Database): RunRecords => ({
  async addRun(run) {
    const [added] = await db.query<Run>(sql`
      INSERT INTO krona.run (
        id, channel_id, subject_id, member_id, state, settings, seed, photo_hashes, photo_prompts,
        progress, losses, failure, started_at, ended_at
      ) VALUES (
        ${run.id}, ${run.channelId}, ${run.subjectId}, ${run.memberId}, ${run.state}, ${json(run.settings)},
        ${run.seed}, ${run.photoHashes}, ${run.photoPrompts ?? []}, ${json(run.progress)}, ${json(run.losses ?? [])}, ${json(run.failure)},
        ${run.startedAt}, ${run.endedAt}
      )
      RETURNING ${RUN}`);
    return added!;
  },

  async run(id) {
    const [run] = await db.query<Run>(sql`SELECT ${RUN} FROM krona.run WHERE id = ${id}`);
    return run ?? null;
  },

  runs: (channelId, limit) =>
    db.query<Run>(sql`
      SELECT ${RUN} FROM krona.run
      WHERE channel_id = ${channelId}
      ORDER BY made DESC
      LIMIT ${limit}`),

  async openWork(channelId) {
    const runs = await db.query<Run>(sql`
      SELECT ${RUN} FROM krona.run
      WHERE channel_id = ${channelId} AND state IN ('queued', 'running')
      ORDER BY made`);
    const sets = await db.query<PictureSet>(sql`
      SELECT ${SET} FROM krona.picture_set
      WHERE channel_id = ${channelId} AND state IN ('queued', 'running')
      ORDER BY made`);
    return { runs, sets };
  },

  async updateRun(id, change) {
    const columns = assignments({
      state: change.state,
      progress: json(change.progress),
      losses: json(change.losses),
      failure: json(change.failure),
      started_at: change.startedAt,
      ended_at: change.endedAt,
    });
    const changed = await db.query(sql`
      UPDATE krona.run SET revision = krona.next_revision()${columns} WHERE id = ${id} RETURNING id`);
    found(changed, 'RUN', id);
  },
});
