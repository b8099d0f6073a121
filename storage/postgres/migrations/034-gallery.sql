-- What a channel's gallery shows: pictures that members asked for, without hidden ones. It goes with the picture.
CREATE TABLE krona.gallery_entry (
  picture_id uuid PRIMARY KEY REFERENCES krona.picture ON DELETE CASCADE,
  channel_id uuid NOT NULL,
  -- The order in which they were drawn.
  place bigint GENERATED ALWAYS AS IDENTITY,
  member_id uuid NOT NULL,
  -- Of this picture, as it was typed.
  prompt text NOT NULL,
  -- Members who voted for it, without the one who asked for it.
  likes integer NOT NULL DEFAULT 0,
  -- What can be searched for: the words of the prompt as they are, in any language, and marks of the channel and the subjects,
  -- so that one index finds them together.
  marks tsvector NOT NULL
);
CREATE INDEX gallery_entry_place ON krona.gallery_entry (channel_id, place);
CREATE INDEX gallery_entry_member ON krona.gallery_entry (channel_id, member_id, place);
CREATE INDEX gallery_entry_liked ON krona.gallery_entry (channel_id, place) WHERE likes > 0;
CREATE INDEX gallery_entry_marks ON krona.gallery_entry USING gin (marks);
-- The marks of a picture, from its set's columns.
CREATE FUNCTION krona.gallery_marks(channel_id uuid, subject_id uuid, also_adapter_ids uuid[], prompt text)
RETURNS tsvector LANGUAGE sql STABLE AS $$
  SELECT to_tsvector('simple', prompt) || array_to_tsvector(ARRAY(
    SELECT 'channel:' || channel_id
    UNION SELECT 'subject:' || $2 WHERE $2 IS NOT NULL
    UNION SELECT 'subject:' || adapter.subject_id FROM krona.adapter WHERE adapter.id = ANY (also_adapter_ids)
  ))
$$;

INSERT INTO krona.gallery_entry (picture_id, channel_id, member_id, prompt, marks)
SELECT picture.id, asked.channel_id, asked.member_id, typed.prompt,
  krona.gallery_marks(asked.channel_id, asked.subject_id, asked.also_adapter_ids, typed.prompt)
FROM krona.picture JOIN krona.picture_set AS asked ON asked.id = picture.set_id,
  LATERAL (SELECT coalesce(picture.prompt, asked.prompt) AS prompt) AS typed
WHERE NOT picture.sensitive AND asked.kind IN ('imagine', 'upscale', 'finals')
ORDER BY asked.made, picture.index;

UPDATE krona.gallery_entry AS entry SET likes = counted.likes
FROM (
  SELECT vote.picture_id, count(DISTINCT vote.member_id) AS likes
  FROM krona.standing_vote AS vote JOIN krona.gallery_entry AS on_entry USING (picture_id)
  WHERE vote.member_id <> on_entry.member_id
    AND regexp_replace(vote.emoji, '^:|:$|::skin-tone-\d|[\uFE0F\U0001F3FB-\U0001F3FF]', '', 'g') IN (
      '👍', '+1', 'thumbsup', '❤', 'heart', '🧡', 'orange_heart', '💛', 'yellow_heart', '💚', 'green_heart', '💙', 'blue_heart', '💜', 'purple_heart', '🖤', 'black_heart', '🤍', 'white_heart', '🤎', 'brown_heart', '🩷', 'pink_heart', '💕', 'two_hearts', '💖', 'sparkling_heart', '😍', 'heart_eyes', '🥰', 'smiling_face_with_3_hearts', '🤩', 'star-struck', '😻', 'heart_eyes_cat', '😊', 'blush', '😄', 'smile', '😁', 'grin', '🔥', 'fire', '⭐', 'star', '🌟', 'star2', '✨', 'sparkles', '🎉', 'tada', '👏', 'clap', '🙌', 'raised_hands', '👌', 'ok_hand', '💯', '100', '🏆', 'trophy', '🥇', 'first_place_medal', '✅', 'white_check_mark', '1⃣', 'one', '2⃣', 'two', '3⃣', 'three', '4⃣', 'four'
    )
  GROUP BY vote.picture_id
) AS counted
WHERE counted.picture_id = entry.picture_id;
