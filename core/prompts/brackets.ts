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
  /** By closing bracket, how many of `open` wait for it. */
  const waiting = new Map(Object.values(closing).map((sign) => [sign, 0]));
  const count = (sign: string, change: number): void =>
    void waiting.set(sign, (waiting.get(sign) ?? 0) + change);
  for (let at = 0; at < prompt.length; at++) {
    const sign = prompt.charAt(at);
    const closes = closing[sign];
    if (sign === '\\') at++;
    else if (closes !== undefined) {
      open.push(at);
      count(closes, 1);
    } else if ((waiting.get(sign) ?? 0) > 0)
      // Those that were opened in between have no partner.
      for (let start = open.pop(); start !== undefined; start = open.pop()) {
        const wanted = closing[prompt.charAt(start)] ?? '';
        count(wanted, -1);
        if (wanted !== sign) continue;
        partners.set(start, at);
        break;
      }
  }
  return partners;
}
