ALTER TABLE krona.picture_set
  -- The run that trains the set's subject: the set is queued when that has ended; null: it waits for none.
  ADD COLUMN awaits_run_id uuid REFERENCES krona.run ON DELETE SET NULL,
  -- How long the prompt is to the model: {"tokens", "chunks"}; null until it is drawn.
  ADD COLUMN prompt_length jsonb;
CREATE INDEX picture_set_awaits ON krona.picture_set (awaits_run_id) WHERE awaits_run_id IS NOT NULL;
