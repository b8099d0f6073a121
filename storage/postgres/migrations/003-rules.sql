-- What a channel allows, who did what, how champions followed each other, and posts that outlive what they show.
ALTER TABLE krona.channel
  -- null: the platform's defaults.
  ADD COLUMN rules jsonb,
  ADD COLUMN age_restricted boolean NOT NULL DEFAULT false;

-- Since when a member's reactions at the platform say nothing: he had his votes deleted.
ALTER TABLE krona.member ADD COLUMN erased_at timestamptz;

CREATE TABLE krona.audit_entry (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  -- null: nobody by hand, such as a champion by votes.
  member_id uuid REFERENCES krona.member,
  action text NOT NULL,
  details text NOT NULL,
  -- The run or set that was asked for; it may be gone since, and still counts against a quota.
  target_id uuid,
  amount integer NOT NULL DEFAULT 0,
  made bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_entry_channel ON krona.audit_entry (channel_id, made DESC);
CREATE INDEX audit_entry_member ON krona.audit_entry (member_id);

CREATE TABLE krona.champion_change (
  id uuid PRIMARY KEY,
  subject_id uuid NOT NULL REFERENCES krona.subject ON DELETE CASCADE,
  adapter_id uuid REFERENCES krona.adapter ON DELETE SET NULL,
  cause text NOT NULL CHECK (cause IN ('training', 'votes', 'member', 'rollback')),
  member_id uuid REFERENCES krona.member,
  reason text,
  picture_id uuid REFERENCES krona.picture ON DELETE SET NULL,
  made bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX champion_change_subject ON krona.champion_change (subject_id, made);
INSERT INTO krona.champion_change (id, subject_id, adapter_id, cause)
  SELECT gen_random_uuid(), id, champion_id, 'training' FROM krona.subject WHERE champion_id IS NOT NULL;

-- A post no longer goes with its target: its message must first say that this was deleted.
ALTER TABLE krona.post
  ADD COLUMN kind text CHECK (kind IN ('run', 'set', 'champion')),
  ADD COLUMN target_id uuid,
  -- Messages that this one took the place of, as the platform took no more edits of them.
  ADD COLUMN former_message_ids text[] NOT NULL DEFAULT '{}',
  -- How the target went; null while it is there.
  ADD COLUMN gone text;
UPDATE krona.post
  SET kind = CASE WHEN run_id IS NULL THEN 'set' ELSE 'run' END, target_id = coalesce(run_id, set_id);
ALTER TABLE krona.post
  ALTER COLUMN kind SET NOT NULL,
  ALTER COLUMN target_id SET NOT NULL,
  DROP COLUMN run_id,
  DROP COLUMN set_id;
CREATE INDEX post_target ON krona.post (target_id);

-- The picture that a set draws again at twice its size.
ALTER TABLE krona.picture_set
  ADD COLUMN upscale_of uuid REFERENCES krona.picture ON DELETE SET NULL,
  DROP CONSTRAINT picture_set_kind_check,
  ADD CONSTRAINT picture_set_kind_check CHECK (kind IN ('imagine', 'upscale', 'samples', 'finals'));
