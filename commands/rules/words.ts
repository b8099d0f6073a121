/** @file Refused words: found as whole words, ignoring case, accents and spacing. */
import { wordPattern } from '../../core/prompt.ts';

/** The form in which texts are compared: compatibility forms, accents, case and invisible characters are ignored. */
function folded(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replaceAll('ς', 'σ');
}

/** The words of a text, folded. */
function wordsOf(text: string): string[] {
  return folded(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Returns a word or phrase on one line; '' when it has no letter or digit. */
export function listedWord(typed: string): string {
  return wordsOf(typed).length === 0 ? '' : typed.normalize('NFC').trim().replace(/\s+/gu, ' ');
}

export function isSameWord(a: string, b: string): boolean {
  return wordsOf(a).join(' ') === wordsOf(b).join(' ');
}

/** Returns the first of `words` that one of `texts` contains; null when there is none. */
export function refusedWord(words: readonly string[], texts: readonly string[]): string | null {
  const said = texts.map((text) => wordsOf(text).join(' '));
  return (
    words.find((word) => {
      const phrase = wordsOf(word).join(' ');
      // Most words occur nowhere, and a pattern takes long to compile.
      const candidates = said.filter((text) => text.includes(phrase));
      if (candidates.length === 0) return false;
      const pattern = new RegExp(wordPattern(phrase), 'u');
      return candidates.some((text) => pattern.test(text));
    }) ?? null
  );
}
