-- Rankings of pictures that were shown to a channel: their messages are shown again without those that are deleted.
CREATE TABLE krona.ranking (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  revision bigint NOT NULL DEFAULT krona.next_revision()
);
CREATE TABLE krona.ranked_picture (
  ranking_id uuid NOT NULL REFERENCES krona.ranking ON DELETE CASCADE,
  picture_id uuid NOT NULL REFERENCES krona.picture ON DELETE CASCADE,
  PRIMARY KEY (ranking_id, picture_id)
);
CREATE INDEX ranked_picture_picture ON krona.ranked_picture (picture_id);

-- A trigger, as pictures go with the subject, run or set that they belong to.
CREATE FUNCTION krona.leave_ranking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.ranking SET revision = krona.next_revision() WHERE id = OLD.ranking_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER ranked_picture_left AFTER DELETE ON krona.ranked_picture
  FOR EACH ROW EXECUTE FUNCTION krona.leave_ranking();

ALTER TABLE krona.post
  DROP CONSTRAINT post_kind_check,
  ADD CONSTRAINT post_kind_check CHECK (kind IN ('run', 'set', 'champion', 'ranking'));
