-- Tokens of the REST API. Each belongs to a channel and acts as a member of its own, so rules and quotas hold for it.
CREATE TABLE krona.api_token (
  id uuid PRIMARY KEY,
  channel_id uuid NOT NULL REFERENCES krona.channel ON DELETE CASCADE,
  member_id uuid NOT NULL REFERENCES krona.member,
  name text NOT NULL,
  -- SHA-256 of the token.
  hash text NOT NULL UNIQUE,
  made_by uuid NOT NULL REFERENCES krona.member,
  -- Told when work ends that the token asked for; null: nobody is.
  webhook text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  used_at timestamptz
);
CREATE INDEX api_token_channel ON krona.api_token (channel_id);

-- Ends of work that webhooks are told of.
CREATE TABLE krona.webhook_delivery (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  token_id uuid NOT NULL REFERENCES krona.api_token ON DELETE CASCADE,
  work_id uuid NOT NULL,
  tries integer NOT NULL DEFAULT 0,
  -- null: it was taken, or given up.
  next_at timestamptz DEFAULT clock_timestamp(),
  UNIQUE (token_id, work_id)
);
CREATE INDEX webhook_delivery_next ON krona.webhook_delivery (next_at);
