-- A set of several subjects: the adapters of those beside the first, which is in adapter_id.
ALTER TABLE krona.picture_set
  ADD COLUMN also_adapter_ids uuid[] NOT NULL DEFAULT '{}';
