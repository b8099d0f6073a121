-- What the safety check found: how sure it is that a picture is unsafe, and what came of that.
ALTER TABLE krona.picture
  -- null: not checked.
  ADD COLUMN unsafe real CHECK (unsafe BETWEEN 0 AND 1),
  ADD COLUMN sensitive boolean NOT NULL DEFAULT false;

-- Pictures that were drawn and are kept from everybody: of them nothing is stored but this.
CREATE TABLE krona.held_picture (
  set_id uuid NOT NULL REFERENCES krona.picture_set ON DELETE CASCADE,
  place integer NOT NULL CHECK (place >= 0),
  unsafe real NOT NULL CHECK (unsafe BETWEEN 0 AND 1),
  PRIMARY KEY (set_id, place)
);
