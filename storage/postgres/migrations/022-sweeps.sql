-- Sweeps are runs that train a grid: their cells, their finalists, and why no duel judges these.
ALTER TABLE krona.run ADD COLUMN sweep jsonb;
DROP INDEX krona.run_to_judge;
CREATE INDEX run_to_judge ON krona.run (id) WHERE state = 'done' AND (refinement IS NOT NULL OR sweep IS NOT NULL);
-- A sweep's finalists have the same step and differ by factors and rate.
ALTER TABLE krona.adapter DROP CONSTRAINT adapter_run_id_step_key;
CREATE UNIQUE INDEX adapter_of_run ON krona.adapter
  (run_id, step, (settings ->> 'a1'), (settings ->> 'a2'), (settings ->> 'lr'));
