/**
 * @file Alternatives in a prompt: `a {red|blue} cat` stands for two prompts, and several of them for every combination.
 * Braces without a `|` or without their partner are text, and so are signs after a backslash.
 */
import { KronaError } from '../errors.ts';
import { partnersIn } from './brackets.ts';

/** Text, or the alternatives that stand at one place. */
type Part = string | readonly (readonly Part[])[];

/**
 * Returns the prompts that a prompt with alternatives stands for, the last place changing fastest; one without any stands for
 * itself alone.
 *
 * @param most pictures of a set
 * @throws KronaError ALTERNATIVES_TOO_MANY for more of them than `most`
 * @example alternativesOf('a {red|blue} cat', 4) // ['a red cat', 'a blue cat']
 */
export function alternativesOf(prompt: string, most: number): string[] {
  const parts = partsOf(prompt);
  if (parts.every((part) => typeof part === 'string')) return [prompt];
  const count = countOf(parts);
  if (count > most)
    throw new KronaError(
      'ALTERNATIVES_TOO_MANY',
      `The alternatives in braces make ${count > 1000 ? 'more than 1000' : count} pictures, one each; at most ${most} are allowed. Leave some out.`,
    );
  return combined(parts).map((text) => text.replace(/\s+/gu, ' ').trim());
}

/** Text and alternatives, in order. */
function partsOf(prompt: string): Part[] {
  const partners = partnersIn(prompt, { '{': '}' });
  const read = (from: number, to: number): Part[] => {
    const parts: Part[] = [];
    let plain = from;
    for (let at = from; at < to; at++) {
      const end = partners.get(at);
      const bars = end === undefined ? [] : barsIn(prompt, at + 1, end, partners);
      if (end === undefined || bars.length === 0) {
        if (prompt[at] === '\\') at++;
        continue;
      }
      const ends = [...bars, end];
      parts.push(
        prompt.slice(plain, at),
        ends.map((bar, n) => read((ends[n - 1] ?? at) + 1, bar)),
      );
      at = end;
      plain = end + 1;
    }
    return [...parts, prompt.slice(plain, to)];
  };
  return read(0, prompt.length);
}

/** The places of `|` between braces, not in braces inside them. */
function barsIn(prompt: string, from: number, to: number, partners: ReadonlyMap<number, number>): number[] {
  const bars: number[] = [];
  for (let at = from; at < to; at++) {
    const sign = prompt[at];
    if (sign === '\\') at++;
    else if (sign === '|') bars.push(at);
    else at = partners.get(at) ?? at;
  }
  return bars;
}

const countOf = (parts: readonly Part[]): number =>
  parts.reduce<number>(
    (product, part) =>
      typeof part === 'string' ? product : product * part.reduce((sum, each) => sum + countOf(each), 0),
    1,
  );

const combined = (parts: readonly Part[]): string[] =>
  parts.reduce<string[]>(
    (texts, part) => {
      const ends = typeof part === 'string' ? [part] : part.flatMap(combined);
      return texts.flatMap((text) => ends.map((end) => text + end));
    },
    [''],
  );
