-- What a set that is being drawn looks like so far: small, and gone when the set ends.
CREATE TABLE krona.set_preview (
  set_id uuid PRIMARY KEY REFERENCES krona.picture_set ON DELETE CASCADE,
  -- Among all pictures that the set requested, from 0.
  place integer NOT NULL CHECK (place >= 0),
  image bytea NOT NULL
);

-- Triggers, as a set ends, is cancelled or is deleted in many ways, and after a kill by another process.
CREATE FUNCTION krona.end_preview() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM krona.set_preview WHERE set_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER picture_set_ended AFTER UPDATE OF state ON krona.picture_set
  FOR EACH ROW WHEN (NEW.state NOT IN ('queued', 'running')) EXECUTE FUNCTION krona.end_preview();

CREATE FUNCTION krona.leave_preview() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.platform_file SET unwanted = true WHERE source = OLD.set_id::text;
  RETURN NULL;
END
$$;
CREATE TRIGGER set_preview_left AFTER DELETE ON krona.set_preview
  FOR EACH ROW EXECUTE FUNCTION krona.leave_preview();

-- Settings say whether there are previews; before, there were none. {} follows the model and has them.
CREATE FUNCTION pg_temp.with_previews(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"previews": true}' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_previews(settings) WHERE settings <> '{}';
UPDATE krona.channel SET model_settings = (
  SELECT jsonb_object_agg(key, pg_temp.with_previews(value)) FROM jsonb_each(model_settings)
) WHERE model_settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_previews(settings);
UPDATE krona.adapter SET settings = pg_temp.with_previews(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_previews(settings);
UPDATE krona.duel SET settings = pg_temp.with_previews(settings);
DROP FUNCTION pg_temp.with_previews;
