-- Threads follow the rules of their channel, and servers (workspaces) have rules of their own.
ALTER TABLE krona.channel
  ADD COLUMN parent_id uuid REFERENCES krona.channel ON DELETE SET NULL,
  ADD COLUMN server_id text;
CREATE INDEX channel_parent ON krona.channel (parent_id);
CREATE INDEX channel_server ON krona.channel (platform, server_id);

CREATE TABLE krona.server (
  platform text NOT NULL,
  external_id text NOT NULL,
  rules jsonb NOT NULL,
  PRIMARY KEY (platform, external_id)
);
