-- Bytes of a photo's and a picture's blob, for limits of storage; 0 for those that came before.
ALTER TABLE krona.photo ADD COLUMN size bigint NOT NULL DEFAULT 0 CHECK (size >= 0);
ALTER TABLE krona.picture ADD COLUMN size bigint NOT NULL DEFAULT 0 CHECK (size >= 0);
