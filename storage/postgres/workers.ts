/** @file Workers: their heartbeats, and who is wanted to drain. */
import type { WorkerFacts, WorkerRecord } from '../../core/workers.ts';
import type { Operation } from './database.ts';
import { onlyRow } from './rows.ts';
import { json, sql } from './sql.ts';

const saveWorker: Operation<'saveWorker'> = (db) => async (facts) =>
  onlyRow(
    await db.query<{ drain: boolean }>(sql`
      WITH forgotten AS (DELETE FROM krona.worker WHERE seen_at < clock_timestamp() - interval '1 day')
      INSERT INTO krona.worker (id, facts) VALUES (${facts.id}, ${json(facts)})
      ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, seen_at = clock_timestamp()
      RETURNING drain`),
  );

const workers: Operation<'workers'> = (db) => async () => {
  const rows = await db.query<{ facts: WorkerFacts } & Omit<WorkerRecord, keyof WorkerFacts>>(sql`
    SELECT facts, drain, started_at AS "startedAt",
      -- One moment for all of them, so that they can be compared.
      greatest(0, extract(epoch FROM statement_timestamp() - seen_at))::float8 AS "silentFor"
    FROM krona.worker ORDER BY started_at, id`);
  return rows.map(({ facts, ...known }) => ({ ...facts, ...known }));
};

const drainWorkers: Operation<'drainWorkers'> = (db) => async (ids) => {
  await db.query(sql`UPDATE krona.worker SET drain = true WHERE id = ANY(${ids}::uuid[])`);
};

const removeWorker: Operation<'removeWorker'> = (db) => async (id) => {
  await db.query(sql`DELETE FROM krona.worker WHERE id = ${id}`);
};

export const workerOperations = { saveWorker, workers, drainWorkers, removeWorker };
