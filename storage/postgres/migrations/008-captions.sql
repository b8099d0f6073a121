-- What a photo shows beside its subject, as its giver says it; null: nothing is said.
ALTER TABLE krona.photo ADD COLUMN caption text;
-- The prompts of a run's photos, in their order; null, or none at all: the training prompt.
ALTER TABLE krona.run ADD COLUMN photo_prompts text[] NOT NULL DEFAULT '{}';
