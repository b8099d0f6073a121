/**
 * @file Weights in a prompt, read as in AUTOMATIC1111's web UI: `(word)` weighs 1.1 times, `(word:1.3)` 1.3 times and
 * `[word]` 1/1.1 times; brackets inside brackets multiply. A backslash makes a sign ordinary text. Unlike there, a bracket
 * without its partner is text.
 */
import { KronaError } from '../errors.ts';
import { partnersIn, unescaped } from './brackets.ts';

/** A part of a prompt that the text encoders read with one weight. */
export interface WeightedSpan {
  readonly text: string;
  /** 1: as the model reads it. */
  readonly weight: number;
}

/** Allowed weights; beyond, pictures fall apart. */
const WEIGHTS = { least: 0, most: 2 } as const;

/** What one bracket is worth. */
const STEP = 1.1;
const CLOSING = { '(': ')', '[': ']' };
/** A weight, after the last colon in round brackets. */
const NUMBER = /^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*$/;

/**
 * Returns the parts of a prompt with their weights, in order; neighbours of one weight are one part.
 *
 * @throws KronaError PROMPT_WEIGHT_INVALID for weights outside of 0 to 2
 * @example weightedSpans('a (red:1.3) cat') // [{'a ', 1}, {'red', 1.3}, {' cat', 1}]
 */
export function weightedSpans(prompt: string): WeightedSpan[] {
  const partners = partnersIn(prompt, CLOSING);
  const spans: { text: string; weight: number }[] = [];
  const add = (text: string, weight: number): void => {
    const last = spans.at(-1);
    if (last?.weight === weight) last.text += text;
    else if (text !== '') spans.push({ text, weight });
  };
  const read = (from: number, to: number, weight: number): void => {
    let plain = from;
    for (let at = from; at < to; at++) {
      const end = partners.get(at);
      if (end === undefined) continue;
      add(prompt.slice(plain, at), weight);
      const colon = prompt[at] === '(' ? prompt.lastIndexOf(':', end) : -1;
      const number = colon > at ? NUMBER.exec(prompt.slice(colon + 1, end)) : null;
      const own = number ? Number(number[1]) : prompt[at] === '(' ? STEP : 1 / STEP;
      read(at + 1, number ? colon : end, weight * own);
      at = end;
      plain = end + 1;
    }
    add(prompt.slice(plain, to), weight);
  };
  read(0, prompt.length, 1);
  for (const { text, weight } of spans)
    if (weight < WEIGHTS.least || weight > WEIGHTS.most) throw outOfRange(text, weight);
  return spans.map(({ text, weight }) => ({ text: unescaped(text), weight }));
}

/** The words of a prompt without the signs of weights. @throws KronaError PROMPT_WEIGHT_INVALID */
export const withoutWeights = (prompt: string): string =>
  weightedSpans(prompt)
    .map(({ text }) => text)
    .join('');

function outOfRange(text: string, weight: number): KronaError {
  const { least, most } = WEIGHTS;
  return new KronaError(
    'PROMPT_WEIGHT_INVALID',
    `“${[...text.trim()].slice(0, 40).join('')}” has the weight ${Number(weight.toFixed(2))}; weights must be ${least} to ${most}. ` +
      'If the brackets belong to the text, write \\( and \\).',
  );
}
