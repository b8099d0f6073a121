/** @file Where each of several subjects stands in a picture: by the words between them, or as asked. */
import type { Split } from '../settings/choices.ts';

/** A part of a picture, as shares of its sides from the left and from the top. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Where the subject of an adapter stands, and how to ask for it there. */
export interface Place {
  readonly region: Region;
  /** In which it comes first, and the region where this prompt has its first subject; by default the picture's own prompt. */
  readonly first?: { readonly prompt: string; readonly region: Region };
}

/** The second subject is higher than the first, or further left. */
const BELOW = /\b(under|below|beneath|underneath)\b|\b(at|on) the bottom\b.*\b(at|on) the top\b/iu;
const ABOVE = /\b(above|over|on top of|atop)\b|\b(at|on) the top\b/iu;
const RIGHT = /\bright of\b|\bon the right\b.*\bon the left\b/iu;

/**
 * The regions of subjects, in the order of their first mentions: strips of one size, side by side from the left, or from the
 * top where words such as “above” and “under” say so. `auto` reads the words; nobody has a region with `none`.
 *
 * @example splitRegions('mochi under rex', 2, 'auto') // mochi has the lower half
 */
export function splitRegions(prompt: string, subjects: number, split: Split): Region[] | null {
  if (subjects < 2 || split === 'none') return null;
  const below = BELOW.test(prompt);
  const upright = split === 'top-bottom' || (split === 'auto' && (below || ABOVE.test(prompt)));
  const strips = Array.from({ length: subjects }, (_, n): Region => {
    const [from, to] = [n / subjects, (n + 1) / subjects];
    return upright
      ? { left: 0, top: from, right: 1, bottom: to }
      : { left: from, top: 0, right: to, bottom: 1 };
  });
  const isReversed = split === 'auto' && (upright ? below : RIGHT.test(prompt));
  return isReversed ? strips.reverse() : strips;
}

/**
 * Places of several subjects, by their first mentions; null where they have none. A model draws the first of two subjects
 * best, so each gets a prompt in which they have changed places.
 *
 * @param prompt as the model gets it
 * @param words of each subject in it, such as `zqkv cat`; null: not known, after those that are
 * @returns in the order of `words`
 */
export function splitPlaces(prompt: string, words: readonly (string | null)[], split: Split): Place[] | null {
  const regions = splitRegions(prompt, words.length, split);
  const [home] = regions ?? [];
  if (regions === null || home === undefined) return null;
  const found = words.map((word) => (word === null ? -1 : prompt.indexOf(word)));
  const rank = (n: number): number => (found[n] === -1 ? prompt.length + n : (found[n] ?? 0));
  const order = [...words.keys()].sort((a, b) => rank(a) - rank(b));
  const known = order.flatMap((n) => (found[n] === -1 ? [] : (words[n] ?? [])));
  const isWhole = known.length === words.length && new Set(known).size === known.length;
  return words.map((_, n): Place => {
    const nth = order.indexOf(n);
    const region = regions[nth] ?? home;
    return isWhole ? { region, first: { prompt: rotated(prompt, known, nth), region: home } } : { region };
  });
}

/** The prompt in which the n-th subject stands where the first one did, the next after it, and so on. */
function rotated(prompt: string, words: readonly string[], n: number): string {
  const escaped = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`));
  return prompt.replace(
    new RegExp(escaped.join('|'), 'g'),
    (word) => words[(words.indexOf(word) + n) % words.length] ?? word,
  );
}
