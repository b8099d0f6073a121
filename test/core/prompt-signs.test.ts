/** What members write into prompts: weights, alternatives, flags, styles. */
import { describe, expect, it } from 'vitest';
import { alternativesOf } from '../../core/prompts/alternatives.ts';
import { splitFlags } from '../../core/prompts/flags.ts';
import { joinedNegatives, styledPrompt } from '../../core/prompts/styles.ts';
import { weightedSpans, withoutWeights } from '../../core/prompts/weights.ts';

const spans = (prompt: string) =>
  weightedSpans(prompt).map(({ text, weight }) => [text, Number(weight.toFixed(4))]);

describe('weights', () => {
  it.each<[string, (string | number)[][]]>([
    ['a cat', [['a cat', 1]]],
    ['', []],
    [
      'a (red:1.3) cat',
      [
        ['a ', 1],
        ['red', 1.3],
        [' cat', 1],
      ],
    ],
    [
      'a (red) cat',
      [
        ['a ', 1],
        ['red', 1.1],
        [' cat', 1],
      ],
    ],
    [
      'a [red] cat',
      [
        ['a ', 1],
        ['red', 0.9091],
        [' cat', 1],
      ],
    ],
    [
      '((red)) [[hat]]',
      [
        ['red', 1.21],
        [' ', 1],
        ['hat', 0.8264],
      ],
    ],
    [
      '(a (red:1.5) cat:0.8)',
      [
        ['a ', 0.8],
        ['red', 1.2],
        [' cat', 0.8],
      ],
    ],
    ['[(red:1.1)]', [['red', 1]]],
    ['(red: .5 )', [['red', 0.5]]],
    ['(red:0)', [['red', 0]]],
    ['(at 3:xx)', [['at 3:xx', 1.1]]],
    ['[red:1.3]', [['red:1.3', 0.9091]]],
    ['()a', [['a', 1]]],
  ])('%s', (prompt, expected) => {
    expect(spans(prompt)).toEqual(expected);
  });

  it.each<[string, (string | number)[][]]>([
    ['a (red cat', [['a (red cat', 1]]],
    ['a red) cat :)', [['a red) cat :)', 1]]],
    [
      'a [red) (cat:1.2)',
      [
        ['a [red) ', 1],
        ['cat', 1.2],
      ],
    ],
    [
      '(a [red) cat',
      [
        ['a [red', 1.1],
        [' cat', 1],
      ],
    ],
    [
      String.raw`a \(red\) (cat\):1.2)`,
      [
        ['a (red) ', 1],
        ['cat)', 1.2],
      ],
    ],
    [String.raw`C:\new \\ \{a\|b\}`, [[String.raw`C:\new \ {a|b}`, 1]]],
  ])('brackets without a partner, or after a backslash, are text: %s', (prompt, expected) => {
    expect(spans(prompt)).toEqual(expected);
  });

  it.each([
    ['(red:2.1)', '“red” has the weight 2.1'],
    ['(red:-1)', 'weight -1'],
    ['((((((((red))))))))', 'weight 2.14'],
  ])('outside of 0 to 2 is refused: %s', (prompt, message) => {
    expect(() => weightedSpans(prompt)).toThrow(message);
  });

  it('are no words', () => {
    expect(withoutWeights('a (red:1.3) [hat]')).toBe('a red hat');
  });

  it('thousands of brackets are read at once', () => {
    expect(spans('('.repeat(5000))).toEqual([['('.repeat(5000), 1]]);
    expect(spans(`${'['.repeat(2000)}x${']'.repeat(2000)}`)[0]![1]).toBe(0);
    // Each bracket looks for a number at its end.
    const long = `[${'('.repeat(2000)}:${'1'.repeat(6000)}x${')'.repeat(2000)}:0]`;
    expect(() => weightedSpans(long)).toThrow('has the weight');
  });
});

describe('alternatives', () => {
  it.each<[string, string[]]>([
    ['a cat', ['a cat']],
    ['a {red|blue} cat', ['a red cat', 'a blue cat']],
    ['{a|b} {c|d}', ['a c', 'a d', 'b c', 'b d']],
    ['a {|red} cat', ['a cat', 'a red cat']],
    ['a {red|{light|dark} blue} cat', ['a red cat', 'a light blue cat', 'a dark blue cat']],
    ['a ({red|blue}:1.2) cat', ['a (red:1.2) cat', 'a (blue:1.2) cat']],
    ['a {red} cat', ['a {red} cat']],
    ['a {red|blue cat', ['a {red|blue cat']],
    ['a red|blue} cat', ['a red|blue} cat']],
    [String.raw`a \{red|blue\} cat`, [String.raw`a \{red|blue\} cat`]],
    [String.raw`{a\|b|c}`, [String.raw`a\|b`, 'c']],
    ['{a {b|c}', ['{a b', '{a c']],
  ])('%s', (prompt, expected) => {
    expect(alternativesOf(prompt, 4)).toEqual(expected);
  });

  it('more than the set has pictures are refused with their number, however many', () => {
    expect(() => alternativesOf('{a|b} {c|d} {e|f}', 4)).toThrow(
      'make 8 pictures, one each; at most 4 are allowed',
    );
    expect(() => alternativesOf('{a|b}'.repeat(2000), 4)).toThrow('make more than 1000 pictures');
    expect(alternativesOf('{'.repeat(5000), 4)).toHaveLength(1);
  });
});

describe('flags', () => {
  it.each<[string, string, object]>([
    ['a cat', 'a cat', {}],
    ['a cat --seed 5', 'a cat', { seed: '5' }],
    ['a cat --no dogs, red hats --ar 3:2', 'a cat', { no: 'dogs, red hats', ar: '3:2' }],
    ['a cat --steps 30 on a mat --STYLE ink', 'a cat on a mat', { steps: '30', style: 'ink' }],
    ['a cat —ar 3:2', 'a cat', { ar: '3:2' }],
    ['a cat —asleep — on a mat -- dreaming', 'a cat —asleep — on a mat -- dreaming', {}],
    ['a well--known cat', 'a well--known cat', {}],
  ])('%s', (typed, prompt, flags) => {
    expect(splitFlags(typed)).toEqual({ prompt, flags });
  });

  it.each([
    ['a cat --sed 5', /can't have `--sed`. Did you mean “seed”\? It can have --no, --ar/],
    ['a cat --v 6', /can't have `--v`. It can have/],
    ['a cat --seed', /`--seed` has no value, such as `--seed 5`/],
    ['a cat --no --seed 5', /`--no` has no value/],
    ['a cat --seed 5 --seed 6', /`--seed` is in the prompt twice/],
  ])('%s is refused', (typed, message) => {
    expect(() => splitFlags(typed)).toThrow(message);
  });
});

it('a style follows the prompt, or stands around it', () => {
  expect(styledPrompt('a cat', [])).toBe('a cat');
  expect(styledPrompt('a cat', [{ prompt: 'watercolour' }])).toBe('a cat, watercolour');
  expect(styledPrompt('a $& cat', [{ prompt: 'ink of {prompt}, {prompt}' }])).toBe(
    'ink of a $& cat, a $& cat',
  );
  expect(joinedNegatives(null, 'blurry', undefined, 'text')).toBe('blurry, text');
  expect(joinedNegatives(null, '')).toBeNull();
});
