-- Blind duels of two adapters. Each pair of pictures is a set; `trials` says what members preferred in those that are closed.
CREATE TABLE krona.duel (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  subject_id uuid NOT NULL REFERENCES krona.subject ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  first_id uuid REFERENCES krona.adapter ON DELETE SET NULL,
  second_id uuid REFERENCES krona.adapter ON DELETE SET NULL,
  -- The refinement that is judged: its adapter is the first.
  run_id uuid REFERENCES krona.run ON DELETE SET NULL,
  -- One of each pair, and whether its pictures stand in the other order.
  prompts text[] NOT NULL,
  swapped boolean[] NOT NULL,
  seed bigint NOT NULL,
  settings jsonb NOT NULL,
  posted integer NOT NULL DEFAULT 0,
  trials jsonb NOT NULL DEFAULT '[]',
  state text NOT NULL CHECK (state IN ('open', 'decided', 'undecided', 'cancelled', 'stopped')),
  reason text,
  -- The sum of its sets' revisions when it was last looked at.
  looked_at bigint NOT NULL DEFAULT -1,
  revision bigint NOT NULL DEFAULT krona.next_revision(),
  made bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ends_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX duel_open ON krona.duel (channel_id) WHERE state = 'open';
CREATE INDEX duel_run ON krona.duel (run_id);

ALTER TABLE krona.picture_set
  ADD COLUMN duel_id uuid REFERENCES krona.duel ON DELETE SET NULL,
  -- From 0, the pair of the duel.
  ADD COLUMN duel_place integer,
  DROP CONSTRAINT picture_set_kind_check,
  ADD CONSTRAINT picture_set_kind_check CHECK (kind IN ('imagine', 'upscale', 'samples', 'finals', 'duel'));
CREATE UNIQUE INDEX picture_set_duel ON krona.picture_set (duel_id, duel_place);

ALTER TABLE krona.post
  DROP CONSTRAINT post_kind_check,
  ADD CONSTRAINT post_kind_check CHECK (kind IN ('run', 'set', 'champion', 'ranking', 'duel', 'verdict'));

ALTER TABLE krona.champion_change
  DROP CONSTRAINT champion_change_cause_check,
  ADD CONSTRAINT champion_change_cause_check CHECK (cause IN ('training', 'votes', 'member', 'rollback', 'duel'));
