/** @file How much work all channels have open. */
import { patiently, type Operation } from './database.ts';
import type { Workload } from '../records.ts';
import { onlyRow } from './rows.ts';
import { sql } from './sql.ts';
import { STORED } from './storage-use.ts';

const workload: Operation<'workload'> = (db) => () =>
  db.query<Workload>(sql`
    SELECT kind, state, count(*)::int AS count,
      greatest(0, extract(epoch FROM clock_timestamp() - min(created_at)))::float8 AS "oldestSeconds"
    FROM (
      SELECT CASE WHEN sweep IS NULL THEN 'train' ELSE 'sweep' END AS kind, state, created_at FROM krona.run
      UNION ALL
      SELECT 'imagine', state, created_at FROM krona.picture_set WHERE run_id IS NULL AND awaits_run_id IS NULL
      UNION ALL
      SELECT 'pull', state, created_at FROM krona.pull
    ) AS work
    WHERE state IN ('queued', 'running')
    GROUP BY kind, state`);

const storedBytesInAll: Operation<'storedBytesInAll'> = (db) => async () =>
  onlyRow(
    await patiently(db).query<{ bytes: number }>(
      sql`SELECT coalesce(sum(size), 0)::bigint AS bytes FROM (${STORED}) AS stored`,
    ),
  ).bytes;

export const workloadOperations = { workload, storedBytesInAll };
