-- Settings have a size, guidance rescale and a share of the refiner, as pictures had them that came before. {} follows the model and has them.
UPDATE krona.channel SET settings = '{"rescale": 0, "size": null, "refine": 0}' || settings WHERE settings <> '{}';
UPDATE krona.run SET settings = '{"rescale": 0, "size": null, "refine": 0}' || settings;
UPDATE krona.adapter SET settings = '{"rescale": 0, "size": null, "refine": 0}' || settings;
UPDATE krona.picture_set SET settings = '{"rescale": 0, "size": null, "refine": 0}' || settings;
