-- Files that a platform keeps apart from the messages that show them, noted until they are deleted there.
CREATE TABLE krona.platform_file (
  platform krona.platform NOT NULL,
  id text NOT NULL,
  -- What it shows: the hash of a blob, or the id of the run whose curve it is.
  source text NOT NULL,
  -- What it shows was deleted, so it is to go.
  unwanted boolean NOT NULL DEFAULT false,
  made bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (platform, id)
);
CREATE INDEX platform_file_source ON krona.platform_file (source);
CREATE INDEX platform_file_unwanted ON krona.platform_file (platform) WHERE unwanted;
CREATE INDEX photo_blob ON krona.photo (blob_hash);
CREATE INDEX picture_blob ON krona.picture (blob_hash);
CREATE INDEX adapter_blob ON krona.adapter (blob_hash);

-- Triggers, as most of these rows go with the subject, run or set that they belong to.
CREATE FUNCTION krona.leave_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.platform_file SET unwanted = true
  WHERE source = OLD.blob_hash
    -- The same prompt and seed give the same bytes: another set may show them, too.
    AND NOT EXISTS (SELECT FROM krona.photo WHERE blob_hash = OLD.blob_hash)
    AND NOT EXISTS (SELECT FROM krona.picture WHERE blob_hash = OLD.blob_hash)
    AND NOT EXISTS (SELECT FROM krona.adapter WHERE blob_hash = OLD.blob_hash);
  RETURN NULL;
END
$$;
CREATE TRIGGER photo_left AFTER DELETE ON krona.photo FOR EACH ROW EXECUTE FUNCTION krona.leave_blob();
CREATE TRIGGER picture_left AFTER DELETE ON krona.picture FOR EACH ROW EXECUTE FUNCTION krona.leave_blob();
CREATE TRIGGER adapter_left AFTER DELETE ON krona.adapter FOR EACH ROW EXECUTE FUNCTION krona.leave_blob();

CREATE FUNCTION krona.leave_curve() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.platform_file SET unwanted = true WHERE source = OLD.id::text;
  RETURN NULL;
END
$$;
CREATE TRIGGER run_left AFTER DELETE ON krona.run FOR EACH ROW EXECUTE FUNCTION krona.leave_curve();

-- What a member wrote in the web chat shows small copies of the photos that came with it, by their files' names.
CREATE FUNCTION krona.leave_thumbs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.chat_line SET
    revision = krona.next_revision(),
    body = jsonb_set(body, '{photos}', (
      SELECT coalesce(jsonb_agg(thumb), '[]') FROM jsonb_array_elements(body -> 'photos') AS thumb
      WHERE thumb ->> 'name' <> OLD.file_name
    ))
  WHERE member_id = OLD.member_id
    AND body -> 'photos' @> jsonb_build_array(jsonb_build_object('name', OLD.file_name));
  RETURN NULL;
END
$$;
CREATE TRIGGER photo_thumbs_left AFTER DELETE ON krona.photo FOR EACH ROW EXECUTE FUNCTION krona.leave_thumbs();
