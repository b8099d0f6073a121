-- Workspaces in which the app was installed by OAuth. The token is sealed with KRONA_SECRET.
CREATE TABLE krona.installation (
  platform krona.platform NOT NULL,
  -- The platform's id of the workspace.
  server_id text NOT NULL,
  name text NOT NULL,
  sealed_token text NOT NULL,
  installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (platform, server_id)
);

-- Only the workspace's own token can delete its files; '': that of the configuration.
ALTER TABLE krona.platform_file ADD COLUMN server_id text NOT NULL DEFAULT '';
DROP INDEX krona.platform_file_unwanted;
CREATE INDEX platform_file_unwanted ON krona.platform_file (platform, server_id) WHERE unwanted;
