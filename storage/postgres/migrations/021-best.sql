-- Settings say which checkpoint becomes the adapter; before, it was always the last. {} follows the model and has it.
CREATE FUNCTION pg_temp.with_keep(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"keep": "last"}' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_keep(settings) WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_keep(settings);
UPDATE krona.adapter SET settings = pg_temp.with_keep(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_keep(settings);
DROP FUNCTION pg_temp.with_keep;
-- Scores of a run's checkpoints: [{step, fidelity, alignment, score}].
ALTER TABLE krona.run ADD COLUMN scores jsonb NOT NULL DEFAULT '[]';
