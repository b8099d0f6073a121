-- Trainings that go on from a champion with votes: what they go on from, and the curves of margin and accuracy.
ALTER TABLE krona.run
  ADD COLUMN refinement jsonb,
  ADD COLUMN preference jsonb NOT NULL DEFAULT '[]';
CREATE INDEX run_to_judge ON krona.run (id) WHERE refinement IS NOT NULL AND state = 'done';
-- Cards show several curves.
UPDATE krona.chat_line
SET body = jsonb_set(body #- '{card,chart}', '{card,charts}', jsonb_build_array(body #> '{card,chart}'))
WHERE body #> '{card,chart}' IS NOT NULL;
