-- Settings have a rank and an alpha of LoRA, as all trainings had that came before. {} follows the model and has them.
UPDATE krona.channel SET settings = '{"rank": 4, "alpha": 4}' || settings WHERE settings <> '{}';
UPDATE krona.run SET settings = '{"rank": 4, "alpha": 4}' || settings;
UPDATE krona.adapter SET settings = '{"rank": 4, "alpha": 4}' || settings;
UPDATE krona.picture_set SET settings = '{"rank": 4, "alpha": 4}' || settings;
