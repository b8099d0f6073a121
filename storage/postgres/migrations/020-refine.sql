-- Trainings that go on from a champion with votes: what they go on from, and the curves of margin and accuracy.
ALTER TABLE krona.run
  ADD COLUMN refinement jsonb,
  ADD COLUMN preferences jsonb NOT NULL DEFAULT '[]';
CREATE INDEX run_refinement ON krona.run (made) WHERE refinement IS NOT NULL;
