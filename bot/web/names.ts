/** @file Names of members: how they can be shown, and which look like each other. */
import unhomoglyph from 'unhomoglyph';
import { KronaError } from '../../core/errors.ts';
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
  if (looksLike(name, 'krona'))
    throw new KronaError('NAME_INVALID', '“Krona” is Krona’s own name. Choose another one.');
  return name;
}

/** Whether readers could take one name for the other. */
export function looksLike(one: string, other: string): boolean {
  const skeletons = skeletonsOf(one);
  return [...skeletonsOf(other)].some((each) => skeletons.has(each));
}

/**
 * Returns a name's skeletons: what it looks like in Latin letters, by Unicode's table of confusable characters (UTS 39,
 * section 4). The table tells the cases of a letter apart (the small Greek ν looks like v, the capital Ν like N), so the
 * name has one for each case that it can be written in.
 */
function skeletonsOf(name: string): Set<string> {
  const plain = name.normalize('NFKD').replace(/[\s\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu, '');
  return new Set(
    [plain, plain.toLowerCase(), plain.toUpperCase()].map((text) => skeleton(skeleton(text).toLowerCase())),
  );
}

const skeleton = (text: string): string => unhomoglyph(text.normalize('NFD')).normalize('NFD');
