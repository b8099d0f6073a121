-- The records of ../../contract.ts. Everything is in the schema "krona" and always named with it, so no statement
-- depends on a session's search_path. BullMQ's tables are in "public".

CREATE SEQUENCE krona.revision;

-- The next revision. Whoever takes one keeps others waiting until it commits, so revisions become visible in
-- their order: a reader that has seen revision 8 will never find a 7 that it missed.
CREATE FUNCTION krona.next_revision() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('krona.revision'));
  RETURN nextval('krona.revision');
END
$$;

CREATE DOMAIN krona.platform AS text CHECK (VALUE IN ('web', 'discord', 'slack'));
CREATE DOMAIN krona.work_state AS text CHECK (VALUE IN ('queued', 'running', 'done', 'failed', 'cancelled'));
CREATE DOMAIN krona.blob_hash AS text CHECK (VALUE ~ '^[0-9a-f]{64}$');

-- `made` is the order of creation: the embedded database's clock gives the same millisecond to several rows.
CREATE TABLE krona.channel (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  platform krona.platform NOT NULL,
  external_id text NOT NULL,
  name text NOT NULL,
  settings jsonb NOT NULL,
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (platform, external_id)
);

CREATE TABLE krona.member (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  platform krona.platform NOT NULL,
  external_id text NOT NULL,
  name text NOT NULL,
  UNIQUE (platform, external_id)
);

CREATE TABLE krona.subject (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  name text NOT NULL,
  -- The name as compared, folded by the application: what a database folds depends on its locale.
  name_key text NOT NULL,
  class_name text NOT NULL,
  token text NOT NULL,
  owner_id uuid NOT NULL REFERENCES krona.member,
  champion_id uuid, -- references krona.adapter, below
  champion_pinned boolean NOT NULL DEFAULT false,
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT subject_name_unique UNIQUE (channel_id, name_key)
);

CREATE TABLE krona.photo (
  id uuid PRIMARY KEY,
  subject_id uuid NOT NULL REFERENCES krona.subject ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  blob_hash krona.blob_hash NOT NULL,
  width integer NOT NULL CHECK (width > 0),
  height integer NOT NULL CHECK (height > 0),
  file_name text NOT NULL,
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (subject_id, blob_hash)
);

CREATE TABLE krona.run (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  subject_id uuid NOT NULL REFERENCES krona.subject ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  state krona.work_state NOT NULL,
  settings jsonb NOT NULL,
  seed bigint NOT NULL,
  photo_hashes text[] NOT NULL,
  progress jsonb,
  losses jsonb NOT NULL DEFAULT '[]',
  failure jsonb,
  revision bigint NOT NULL DEFAULT krona.next_revision(),
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz
);
CREATE INDEX run_channel ON krona.run (channel_id, created_at DESC);

CREATE TABLE krona.adapter (
  id uuid PRIMARY KEY,
  run_id uuid NOT NULL REFERENCES krona.run ON DELETE CASCADE,
  subject_id uuid NOT NULL REFERENCES krona.subject ON DELETE CASCADE,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  step integer NOT NULL CHECK (step >= 0),
  final boolean NOT NULL,
  blob_hash krona.blob_hash NOT NULL,
  size bigint NOT NULL CHECK (size > 0),
  settings jsonb NOT NULL,
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (run_id, step)
);
CREATE INDEX adapter_channel ON krona.adapter (channel_id, created_at DESC);

ALTER TABLE krona.subject
  ADD FOREIGN KEY (champion_id) REFERENCES krona.adapter ON DELETE SET NULL;

CREATE TABLE krona.picture_set (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  kind text NOT NULL CHECK (kind IN ('imagine', 'samples', 'finals')),
  run_id uuid REFERENCES krona.run ON DELETE CASCADE,
  subject_id uuid REFERENCES krona.subject ON DELETE SET NULL,
  prompt text NOT NULL,
  negative text,
  seed bigint NOT NULL,
  count integer NOT NULL CHECK (count > 0),
  strength double precision NOT NULL,
  settings jsonb NOT NULL,
  adapter_id uuid REFERENCES krona.adapter ON DELETE SET NULL,
  state krona.work_state NOT NULL,
  progress jsonb,
  failure jsonb,
  revision bigint NOT NULL DEFAULT krona.next_revision(),
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz
);
CREATE INDEX picture_set_channel ON krona.picture_set (channel_id, created_at DESC);
CREATE INDEX picture_set_run ON krona.picture_set (run_id);

CREATE TABLE krona.picture (
  id uuid PRIMARY KEY,
  set_id uuid NOT NULL REFERENCES krona.picture_set ON DELETE CASCADE,
  index integer NOT NULL CHECK (index >= 0),
  blob_hash krona.blob_hash NOT NULL,
  width integer NOT NULL CHECK (width > 0),
  height integer NOT NULL CHECK (height > 0),
  seed bigint NOT NULL,
  adapter_id uuid REFERENCES krona.adapter ON DELETE SET NULL,
  UNIQUE (set_id, index)
);

-- The facts about one reaction of one member on one picture are numbered from 1; odd ones add it, even ones take
-- it away. So a fact that changes nothing cannot be stored, and of two equal ones at the same moment one is.
CREATE TABLE krona.vote_fact (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  picture_id uuid NOT NULL REFERENCES krona.picture ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  emoji text NOT NULL,
  nth integer NOT NULL,
  added boolean NOT NULL GENERATED ALWAYS AS (nth % 2 = 1) STORED,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (picture_id, member_id, emoji, nth)
);

CREATE FUNCTION krona.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'vote facts are only added, never changed';
END
$$;
CREATE TRIGGER vote_fact_append_only BEFORE UPDATE ON krona.vote_fact
  FOR EACH ROW EXECUTE FUNCTION krona.refuse_change();

-- The reactions that stand now: the last fact is an addition.
CREATE VIEW krona.standing_vote AS
  SELECT picture_id, member_id, emoji, at
  FROM krona.vote_fact AS fact
  WHERE added AND NOT EXISTS (
    SELECT FROM krona.vote_fact AS later
    WHERE later.picture_id = fact.picture_id AND later.member_id = fact.member_id
      AND later.emoji = fact.emoji AND later.nth = fact.nth + 1
  );

CREATE TABLE krona.post (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  run_id uuid REFERENCES krona.run ON DELETE CASCADE,
  set_id uuid REFERENCES krona.picture_set ON DELETE CASCADE,
  message_id text,
  shown_revision bigint NOT NULL DEFAULT -1,
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT post_one_target CHECK (num_nonnulls(run_id, set_id) = 1),
  UNIQUE (channel_id, message_id)
);
CREATE INDEX post_run ON krona.post (run_id);
CREATE INDEX post_set ON krona.post (set_id);

CREATE TABLE krona.chat_line (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  member_id uuid REFERENCES krona.member,
  body jsonb NOT NULL,
  revision bigint NOT NULL DEFAULT krona.next_revision(),
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX chat_line_channel ON krona.chat_line (channel_id, revision);

CREATE TABLE krona.outbox_job (
  id text PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL,
  payload jsonb NOT NULL
);

-- The worker's model: one row.
CREATE TABLE krona.model_card (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  card jsonb NOT NULL
);
