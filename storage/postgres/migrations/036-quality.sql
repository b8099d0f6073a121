-- Settings say how exactly pictures are drawn; before, always exactly. {} follows the model and has it.
CREATE FUNCTION pg_temp.with_quality(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"quality": "exact"}' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_quality(settings) WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_quality(settings);
UPDATE krona.adapter SET settings = pg_temp.with_quality(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_quality(settings);
UPDATE krona.duel SET settings = pg_temp.with_quality(settings);
DROP FUNCTION pg_temp.with_quality;
