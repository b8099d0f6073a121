-- Blobs of KRONA_BLOBS=postgres, in chunks that fit into memory.
CREATE TABLE krona.blob (
  hash text PRIMARY KEY,
  size bigint NOT NULL,
  put_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE krona.blob_chunk (
  hash text NOT NULL REFERENCES krona.blob ON DELETE CASCADE,
  nth integer NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (hash, nth)
);
-- Pictures and adapters don't get smaller.
ALTER TABLE krona.blob_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;
-- The last state of a training, so that a worker on another machine can go on with it.
ALTER TABLE krona.run ADD COLUMN state_hash text;
