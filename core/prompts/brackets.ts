/** @file Which brackets of a prompt belong together. */

/** A sign with a meaning in prompts, made ordinary text by a backslash. */
const ESCAPED = /\\([()[\]{}|\\])/g;

/** A text with the signs after backslashes alone. */
export const unescaped = (text: string): string => text.replace(ESCAPED, '$1');

/**
 * Where each opening bracket is closed, by place in UTF-16 units. Brackets without a partner, and those after a backslash,
 * are left out.
 *
 * @param closing the closing bracket of each opening one
 */
export function partnersIn(
  prompt: string,
  closing: Readonly<Record<string, string>>,
): ReadonlyMap<number, number> {
  const partners = new Map<number, number>();
  const open: number[] = [];
  for (let at = 0; at < prompt.length; at++) {
    const sign = prompt.charAt(at);
    if (sign === '\\') at++;
    else if (Object.hasOwn(closing, sign)) open.push(at);
    else if (Object.values(closing).includes(sign)) {
      const nearest = open.findLastIndex((place) => closing[prompt.charAt(place)] === sign);
      const start = open[nearest];
      if (start === undefined) continue;
      partners.set(start, at);
      // Those that were opened in between have no partner.
      open.length = nearest;
    }
  }
  return partners;
}
