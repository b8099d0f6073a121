-- Refinements: trainings that go on from an adapter with what members preferred.
ALTER TABLE krona.run
  -- {"from", "pairs", "examples", "members", "kept"}; null: a training on photos alone.
  ADD COLUMN refinement jsonb,
  -- Points of its curves.
  ADD COLUMN preference jsonb NOT NULL DEFAULT '[]';
CREATE INDEX run_to_judge ON krona.run (id) WHERE refinement IS NOT NULL AND state = 'done';
