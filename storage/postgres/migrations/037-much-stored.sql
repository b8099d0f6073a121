-- What members ask for all day takes as long with a million pictures as with none.

-- Work that is queued or running: little of all.
CREATE INDEX run_open ON krona.run (channel_id, created_at) WHERE state IN ('queued', 'running');
CREATE INDEX picture_set_open ON krona.picture_set (channel_id, created_at) WHERE state IN ('queued', 'running');
-- The administrator's page shows the last that ended, and the end of the log.
CREATE INDEX run_ended ON krona.run (ended_at DESC NULLS LAST, id) WHERE state NOT IN ('queued', 'running');
CREATE INDEX picture_set_ended ON krona.picture_set (ended_at DESC NULLS LAST, id)
  WHERE run_id IS NULL AND state NOT IN ('queued', 'running');
CREATE INDEX audit_entry_made ON krona.audit_entry (made);
-- Quotas count what was asked for in the last hours.
CREATE INDEX audit_entry_usage ON krona.audit_entry (channel_id, action, at) WHERE amount > 0;
CREATE INDEX chat_line_place ON krona.chat_line (channel_id, made);

-- Bytes of a set's pictures, which are only deleted with their set.
ALTER TABLE krona.picture_set ADD COLUMN stored bigint NOT NULL DEFAULT 0;
-- Somebody has voted on it, at some time.
ALTER TABLE krona.picture_set ADD COLUMN voted boolean NOT NULL DEFAULT false;
UPDATE krona.picture_set SET stored = counted.bytes, voted = counted.voted
FROM (
  SELECT set_id, sum(size) AS bytes,
    bool_or(EXISTS (SELECT FROM krona.vote_fact WHERE vote_fact.picture_id = picture.id)) AS voted
  FROM krona.picture GROUP BY set_id
) AS counted
WHERE counted.set_id = picture_set.id;
CREATE INDEX picture_set_stored ON krona.picture_set (channel_id, member_id) INCLUDE (stored);
CREATE INDEX picture_set_start ON krona.picture_set (channel_id) WHERE start IS NOT NULL;
CREATE INDEX picture_set_voted ON krona.picture_set (channel_id, made) WHERE voted;

-- In the database, as a worker of an earlier release may still draw while others are upgraded.
CREATE FUNCTION krona.count_stored() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.picture_set SET stored = stored + sums.bytes
  FROM (SELECT set_id, sum(size) AS bytes FROM added GROUP BY set_id) AS sums
  WHERE sums.set_id = picture_set.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER picture_stored AFTER INSERT ON krona.picture
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION krona.count_stored();

CREATE FUNCTION krona.note_vote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.picture_set SET voted = true
  WHERE NOT voted AND id IN (SELECT set_id FROM krona.picture WHERE picture.id IN (SELECT picture_id FROM added));
  RETURN NULL;
END
$$;
CREATE TRIGGER vote_noted AFTER INSERT ON krona.vote_fact
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION krona.note_vote();

-- The revision of what a post shows, so that those that are behind are found without a look at all of them. 0: what it shows
-- has no revisions, or is gone.
ALTER TABLE krona.post ADD COLUMN target_revision bigint NOT NULL DEFAULT 0;
CREATE FUNCTION krona.target_revision(target uuid) RETURNS bigint LANGUAGE sql AS $$
  SELECT coalesce(
    (SELECT revision FROM krona.picture_set WHERE id = target),
    (SELECT revision FROM krona.run WHERE id = target),
    (SELECT revision FROM krona.ranking WHERE id = target),
    (SELECT revision FROM krona.duel WHERE id = target),
    (SELECT revision FROM krona.pull WHERE id = target),
    0
  )
$$;
UPDATE krona.post SET target_revision = krona.target_revision(target_id);

CREATE FUNCTION krona.begin_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Who changes a revision keeps others waiting until it commits: so no change is missed between this look and the commit.
  -- A champion has none.
  IF NEW.kind <> 'champion' THEN
    PERFORM pg_advisory_xact_lock(hashtext('krona.revision'));
    NEW.target_revision = greatest(NEW.target_revision, krona.target_revision(NEW.target_id));
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER post_begun BEFORE INSERT ON krona.post FOR EACH ROW EXECUTE FUNCTION krona.begin_post();

CREATE FUNCTION krona.move_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE krona.post SET target_revision = NEW.revision WHERE target_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER picture_set_revised AFTER UPDATE OF revision ON krona.picture_set
  FOR EACH ROW EXECUTE FUNCTION krona.move_post();
CREATE TRIGGER run_revised AFTER UPDATE OF revision ON krona.run FOR EACH ROW EXECUTE FUNCTION krona.move_post();
CREATE TRIGGER ranking_revised AFTER UPDATE OF revision ON krona.ranking
  FOR EACH ROW EXECUTE FUNCTION krona.move_post();
CREATE TRIGGER duel_revised AFTER UPDATE OF revision ON krona.duel FOR EACH ROW EXECUTE FUNCTION krona.move_post();
CREATE TRIGGER pull_revised AFTER UPDATE OF revision ON krona.pull FOR EACH ROW EXECUTE FUNCTION krona.move_post();
CREATE INDEX post_behind ON krona.post (made) WHERE gone IS NOT NULL OR target_revision > shown_revision;

CREATE INDEX post_made ON krona.post (made);
-- Messages that were replaced are few.
CREATE INDEX post_former ON krona.post (channel_id) WHERE former_message_ids <> '{}';
