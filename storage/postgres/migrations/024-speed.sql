-- Settings name an adapter for few steps; before, there was none. {} follows the model and has it.
CREATE FUNCTION pg_temp.with_speed(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"speed": null}' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_speed(settings) WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_speed(settings);
UPDATE krona.adapter SET settings = pg_temp.with_speed(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_speed(settings);
UPDATE krona.duel SET settings = pg_temp.with_speed(settings);
DROP FUNCTION pg_temp.with_speed;
