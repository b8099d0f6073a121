-- A set may vary a picture: the worker starts from that picture's noise.
ALTER TABLE krona.picture_set
  ADD COLUMN variation_of uuid REFERENCES krona.picture ON DELETE SET NULL;
