-- Settings say how Upscale enlarges pictures, and where several subjects stand; before, Upscale always drew again, and adapters
-- added up, as they do when an old set is drawn again. {} follows the model and has both.
CREATE FUNCTION pg_temp.with_both(settings jsonb, split text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('upscale', 'redraw', 'split', split) || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_both(settings, 'auto') WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_both(settings, 'auto');
UPDATE krona.adapter SET settings = pg_temp.with_both(settings, 'auto');
UPDATE krona.picture_set SET settings = pg_temp.with_both(settings, 'none');
UPDATE krona.duel SET settings = pg_temp.with_both(settings, 'auto');
DROP FUNCTION pg_temp.with_both;
