-- Workers that run or ran of late. What they say of themselves changes with releases, so it is one document.
CREATE TABLE krona.worker (
  id uuid PRIMARY KEY,
  facts jsonb NOT NULL,
  -- Somebody wants it to take no more jobs.
  drain boolean NOT NULL DEFAULT false,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- How far the state in state_hash is: another worker goes on from there only if it has no later one itself.
ALTER TABLE krona.run ADD COLUMN state_step integer;
