-- Settings have the weight of the prior on the adapter's size; what was trained before had none. {} follows the model and has it.
CREATE FUNCTION pg_temp.with_prior(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"priorL2": 0}' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_prior(settings) WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_prior(settings);
UPDATE krona.adapter SET settings = pg_temp.with_prior(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_prior(settings);
DROP FUNCTION pg_temp.with_prior;
