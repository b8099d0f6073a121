ALTER TABLE krona.picture_set
  -- The member's picture that a set begins with instead of noise: {blobHash, maskHash, size, change}.
  ADD COLUMN start jsonb;
ALTER TABLE krona.picture
  -- The prompt of this picture, where that of the set has alternatives.
  ADD COLUMN prompt text;

-- Named pieces of prompts, of a channel.
CREATE TABLE krona.style (
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  name text NOT NULL,
  -- The name as compared, folded by the application.
  name_key text NOT NULL,
  prompt text NOT NULL,
  negative text,
  member_id uuid NOT NULL REFERENCES krona.member,
  PRIMARY KEY (channel_id, name_key)
);
CREATE INDEX style_member ON krona.style (member_id);

-- Settings have a negative prompt of the channel. {} follows the model and has it.
CREATE FUNCTION pg_temp.with_negative(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"negative": null}' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_negative(settings) WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_negative(settings);
UPDATE krona.adapter SET settings = pg_temp.with_negative(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_negative(settings);
UPDATE krona.duel SET settings = pg_temp.with_negative(settings);
DROP FUNCTION pg_temp.with_negative;
