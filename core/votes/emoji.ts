/**
 * @file The meaning of reactions: for, against, or none, with the platforms' names of emoji. Skin tones and presentation
 * selectors are ignored.
 */

/** Emoji that count, with their names on platforms without Unicode reactions. */
const FOR: Readonly<Record<string, readonly string[]>> = {
  '👍': ['+1', 'thumbsup'],
  '❤': ['heart'],
  '🧡': ['orange_heart'],
  '💛': ['yellow_heart'],
  '💚': ['green_heart'],
  '💙': ['blue_heart'],
  '💜': ['purple_heart'],
  '🖤': ['black_heart'],
  '🤍': ['white_heart'],
  '🤎': ['brown_heart'],
  '🩷': ['pink_heart'],
  '💕': ['two_hearts'],
  '💖': ['sparkling_heart'],
  '😍': ['heart_eyes'],
  '🥰': ['smiling_face_with_3_hearts'],
  '🤩': ['star-struck'],
  '😻': ['heart_eyes_cat'],
  '😊': ['blush'],
  '😄': ['smile'],
  '😁': ['grin'],
  '🔥': ['fire'],
  '⭐': ['star'],
  '🌟': ['star2'],
  '✨': ['sparkles'],
  '🎉': ['tada'],
  '👏': ['clap'],
  '🙌': ['raised_hands'],
  '👌': ['ok_hand'],
  '💯': ['100'],
  '🏆': ['trophy'],
  '🥇': ['first_place_medal'],
  '✅': ['white_check_mark'],
};

const AGAINST: Readonly<Record<string, readonly string[]>> = {
  '👎': ['-1', 'thumbsdown'],
  '💔': ['broken_heart'],
  '❌': ['x'],
  '🚫': ['no_entry_sign'],
  '💩': ['hankey', 'poop'],
  '🤮': ['face_vomiting'],
  '🤢': ['nauseated_face'],
  '😡': ['rage'],
  '😠': ['angry'],
  '🙁': ['slightly_frowning_face'],
  '☹': ['white_frowning_face', 'frowning'],
};

/** Numbers are votes for the picture at that place, where one message shows the whole set. */
const NUMBERS: Readonly<Record<string, readonly string[]>> = {
  '1⃣': ['one'],
  '2⃣': ['two'],
  '3⃣': ['three'],
  '4⃣': ['four'],
};

const BY_NAME = new Map(
  [FOR, AGAINST, NUMBERS].flatMap((table) =>
    Object.entries(table).flatMap(([emoji, names]) => names.map((name) => [name, emoji] as const)),
  ),
);
const PLACES = Object.keys(NUMBERS);

/** Every spelling of a vote for a picture, without colons, skin tone and presentation selector. */
export const LIKES: readonly string[] = [FOR, NUMBERS].flatMap((table) =>
  Object.entries(table).flatMap(([emoji, names]) => [emoji, ...names]),
);

/** The reactions that gateways add under a set of `count` pictures, as an invitation to vote. */
export function invitingEmoji(count: number): string[] {
  return PLACES.slice(0, count).map(shownEmoji);
}

/** A folded emoji with the selector for colour, where its default is black and white. */
export function shownEmoji(folded: string): string {
  if (Object.hasOwn(NUMBERS, folded)) return `${folded.charAt(0)}\ufe0f\u20e3`;
  return /^\p{Emoji}$/u.test(folded) && !/\p{Emoji_Presentation}/u.test(folded) ? `${folded}\ufe0f` : folded;
}

/**
 * Returns one spelling of an emoji: without skin tone (U+1F3FB to U+1F3FF or `::skin-tone-3`) and without presentation
 * selector; a platform's name of a known emoji becomes the emoji.
 */
export function foldEmoji(emoji: string): string {
  const bare = emoji
    .replace(/^:|:$/g, '')
    .replace(/::skin-tone-\d$/, '')
    .replace(/\ufe0f|[\u{1f3fb}-\u{1f3ff}]/gu, '');
  return BY_NAME.get(bare.toLowerCase()) ?? bare;
}

interface Meaning {
  /** 1 for, −1 against, 0 neither. */
  readonly sign: 1 | 0 | -1;
  /** The place, from 0, of the picture for a number; null for any other emoji. */
  readonly place: number | null;
}

/** Returns the meaning of a reaction. Emoji in no table are shown, but don't count. */
export function meaningOf(emoji: string): Meaning {
  const folded = foldEmoji(emoji);
  const place = PLACES.indexOf(folded);
  if (place !== -1) return { sign: 1, place };
  return { sign: Object.hasOwn(FOR, folded) ? 1 : Object.hasOwn(AGAINST, folded) ? -1 : 0, place: null };
}
