-- Settings have what a training was told on the command line alone, as runs had it that came before. {} follows the model and has them.
CREATE FUNCTION pg_temp.with_training(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{
    "targets": "attention", "batch": null, "lrSchedule": "constant", "warmup": 0, "prior": 0, "mask": "off",
    "crop": "center", "flip": false, "buckets": false, "minSnr": 0, "offsetNoise": null
  }' || settings
$$;
UPDATE krona.channel SET settings = pg_temp.with_training(settings) WHERE settings <> '{}';
UPDATE krona.run SET settings = pg_temp.with_training(settings);
UPDATE krona.adapter SET settings = pg_temp.with_training(settings);
UPDATE krona.picture_set SET settings = pg_temp.with_training(settings);
DROP FUNCTION pg_temp.with_training;
