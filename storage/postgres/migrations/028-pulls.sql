-- Downloads of models that members asked for.
CREATE TABLE krona.pull (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  model text NOT NULL,
  state krona.work_state NOT NULL,
  progress jsonb,
  failure jsonb,
  revision bigint NOT NULL DEFAULT krona.next_revision(),
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz
);
CREATE UNIQUE INDEX pull_open ON krona.pull (model) WHERE state IN ('queued', 'running');
CREATE INDEX pull_member ON krona.pull (member_id);

-- Licences of models, each accepted once for this installation.
CREATE TABLE krona.accepted_licence (
  licence text PRIMARY KEY,
  member_id uuid NOT NULL REFERENCES krona.member,
  accepted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE krona.post
  DROP CONSTRAINT post_kind_check,
  ADD CONSTRAINT post_kind_check CHECK (kind IN ('run', 'set', 'champion', 'ranking', 'duel', 'verdict', 'pull'));
