ALTER TABLE krona.picture_set
  -- Pictures that votes had it drawn more like, and less like: {liked, disliked}, ids of pictures that may be deleted since.
  ADD COLUMN steering jsonb;
