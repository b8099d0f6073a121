-- Several models: each has a card. `default` is KRONA_MODEL's own; the others were pulled in the chat.
CREATE TABLE krona.model (
  name text PRIMARY KEY,
  card jsonb NOT NULL,
  -- Where its files are from: {commit, bytes}; null for the default.
  pulled jsonb
);
INSERT INTO krona.model (name, card) SELECT 'default', card FROM krona.model_card;
DROP TABLE krona.model_card;

-- The model that was chosen for a channel, for a server, and for all; null: follows the next wider choice.
ALTER TABLE krona.channel
  ADD COLUMN model text,
  -- Settings for models but the default, by name; each as `settings`.
  ADD COLUMN model_settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE krona.server ADD COLUMN model text;
CREATE TABLE krona.model_for_all (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  model text NOT NULL
);

-- The model that a channel draws and trains with. Threads follow their channel.
CREATE FUNCTION krona.model_of(place krona.channel) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    CASE
      WHEN place.parent_id IS NULL THEN place.model
      ELSE (SELECT home.model FROM krona.channel AS home WHERE home.id = place.parent_id)
    END,
    (
      SELECT server.model FROM krona.server
      WHERE server.platform = place.platform AND server.external_id = place.server_id
    ),
    (SELECT chosen.model FROM krona.model_for_all AS chosen),
    'default'
  )
$$;

-- The model that runs train and sets are drawn with.
ALTER TABLE krona.run ADD COLUMN model text NOT NULL DEFAULT 'default';
ALTER TABLE krona.picture_set ADD COLUMN model text NOT NULL DEFAULT 'default';
