/** @file Names of members: how they can be shown, and which look like each other. */
import unhomoglyph from 'unhomoglyph';
import { KronaError } from '../../core/errors.ts';
import { RecentMap } from '../../core/recent.ts';
import { MAX_NAME } from './protocol.ts';

/** What nobody sees: default-ignorable characters but the selector for colour, and the empty Braille pattern. */
const INVISIBLE = /(?!\ufe0f)[\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** A name as it can be shown: no line breaks or invisible marks, not Krona's own. @throws KronaError NAME_INVALID */
export function checkName(input: string): string {
  const name = input
    .normalize('NFC')
    .replace(INVISIBLE, '')
    .replace(/[\p{C}\p{Z}\s]+/gu, ' ')
    .trim();
  const length = [...name].length;
  if (length < 1 || length > MAX_NAME || skeletonsOf(name).has(''))
    throw new KronaError(
      'NAME_INVALID',
      `A name must have 1 to ${MAX_NAME} characters; this one has ${length}.`,
    );
  if ([...skeletonsOf(withoutAccents(name))].some((each) => each.includes('krona')))
    throw new KronaError('NAME_INVALID', '“Krona” is Krona’s own name. Choose one without it.');
  return name;
}

const withoutAccents = (name: string): string => name.normalize('NFKD').replace(/\p{M}/gu, '');

/** Whether readers could take one name for the other. */
export function looksLike(one: string, other: string): boolean {
  const skeletons = skeletonsOf(one);
  return [...skeletonsOf(other)].some((each) => skeletons.has(each));
}

/**
 * Returns a name's skeletons: what it looks like in Latin letters, by Unicode's table of confusable characters (UTS 39,
 * section 4). The table tells the cases of a letter apart (the small Greek ν looks like v, the capital Ν like N), so the
 * name has one for each case that it can be written in. Signs around the letters, and marks that belong to no letter of
 * their own, tell nobody apart.
 */
function skeletonsOf(name: string): ReadonlySet<string> {
  const known = remembered.get(name) ?? madeSkeletons(name);
  remembered.set(name, known);
  return known;
}

/** Names whose skeletons are remembered: a new name is compared with those of all members. */
const remembered = new RecentMap<string, ReadonlySet<string>>(20_000);

function madeSkeletons(name: string): ReadonlySet<string> {
  const plain = plainLetters(name.normalize('NFC').replace(LOOSE_MARK, ''))
    .normalize('NFKD')
    .replace(/[\s\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu, '');
  return new Set(
    [plain, plain.toLowerCase(), plain.toUpperCase()].map((text) => {
      const shown = skeleton(skeleton(text).toLowerCase());
      return shown.replace(/[\p{P}\p{S}]/gu, '') || shown;
    }),
  );
}

const skeleton = (text: string): string => unhomoglyph(text.normalize('NFD')).normalize('NFD');

/** Lines through and below letters, and others with which no letter is written. */
const LOOSE_MARK = /\p{Script=Inherited}/gu;

/** First letters of alphabets that the table lacks: white on black, and flags that are no country's. */
const ALPHABETS = [0x1f150, 0x1f170, 0x1f1e6];
const SMALL_CAPITALS = new Map(
  [...'ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ'].map((letter, at) => [letter, 'abcdefghijklmnoprstuvwyz'.charAt(at)]),
);

/** Puts plain letters in place of those that the table of confusable characters lacks. */
const plainLetters = (text: string): string =>
  [...text]
    .map((letter) => {
      const code = letter.codePointAt(0) ?? 0;
      const first = ALPHABETS.find((each) => code >= each && code < each + 26);
      return first === undefined
        ? (SMALL_CAPITALS.get(letter) ?? letter)
        : String.fromCharCode('a'.charCodeAt(0) + code - first);
    })
    .join('');
