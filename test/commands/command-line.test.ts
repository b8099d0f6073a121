import { describe, expect, it, vi } from 'vitest';
import { isValue } from '../../commands/line/options.ts';
import { quoteValue } from '../../commands/line/command-line.ts';
import { COMMANDS, parseCommandLine } from '../../commands/index.ts';
import { editDistance, nearest } from '../../core/nearest.ts';
import { KronaError } from '../../core/errors.ts';
import { randomNumbers } from './helpers.ts';

function refusal(text: string, attachments = 0): string {
  try {
    return `accepted: ${JSON.stringify(parseCommandLine(text, attachments))}`;
  } catch (error) {
    if (error instanceof KronaError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/** The text of a command, which `parseCommandLine` reads back as the same. */
function formatCommandLine(command: ReturnType<typeof parseCommandLine>): string {
  const options = Object.entries(command.options).map(
    ([name, value]) => `${name}:${quoteValue(String(value))}`,
  );
  return ['/krona', command.name, command.action, ...options].filter((part) => part !== '').join(' ');
}

describe('a command typed as text', () => {
  it.each([
    ['/krona train subject:mochi class:cat', 'train', '', { subject: 'mochi', class: 'cat' }],
    ['/KRONA Train Subject:mochi', 'train', '', { subject: 'mochi' }],
    ['train mochi cat', 'train', '', { subject: 'mochi', class: 'cat' }],
    [
      '/krona train mochi class:"guinea pig" steps:50',
      'train',
      '',
      { subject: 'mochi', class: 'guinea pig', steps: '50' },
    ],
    ['/krona train mochi class:guinea pig', 'train', '', { subject: 'mochi', class: 'guinea pig' }],
    ['/krona train mochi class: cat', 'train', '', { subject: 'mochi', class: 'cat' }],
    ['/krona train mochi class:“guinea pig”', 'train', '', { subject: 'mochi', class: 'guinea pig' }],
    ['/krona imagine a watercolour of mochi', 'imagine', '', { prompt: 'a watercolour of mochi' }],
    [
      '/krona imagine count:2 mochi  in\nspace seed:7',
      'imagine',
      '',
      { prompt: 'mochi in space', count: '2', seed: '7' },
    ],
    ['/krona imagine prompt:mochi in space count:2', 'imagine', '', { prompt: 'mochi in space', count: '2' }],
    ['/krona imagine "count:2 is a text here"', 'imagine', '', { prompt: 'count:2 is a text here' }],
    [
      '/krona imagine a sign that says "hello world"',
      'imagine',
      '',
      { prompt: 'a sign that says "hello world"' },
    ],
    [
      "/krona imagine mochi's hat, 16:9, cat: https://x.org/a",
      'imagine',
      '',
      { prompt: "mochi's hat, 16:9, cat: https://x.org/a" },
    ],
    [
      '/krona imagine mochi negative:"blurry, dark" seed: 5',
      'imagine',
      '',
      { prompt: 'mochi', negative: 'blurry, dark', seed: '5' },
    ],
    ['/krona imagine 🐈🔥', 'imagine', '', { prompt: '🐈🔥' }],
    ['/krona imagine صورة قطة', 'imagine', '', { prompt: 'صورة قطة' }],
    ['/krona settings', 'settings', 'show', {}],
    ['/krona settings a1:8 a2:64 lr:5e-4', 'settings', 'train', { a1: '8', a2: '64', lr: '5e-4' }],
    ['/krona settings guidance:7 size:64x96', 'settings', 'draw', { guidance: '7', size: '64x96' }],
    ['/krona settings lr:5e-4 guidance:7', 'settings', 'set', { lr: '5e-4', guidance: '7' }],
    ['/krona settings set a1:8', 'settings', 'set', { a1: '8' }],
    ['/krona photos', 'photos', 'list', {}],
    ['/krona photos mochi', 'photos', 'list', { subject: 'mochi' }],
    ['/krona photos remove mochi 2, 3', 'photos', 'remove', { subject: 'mochi', photo: '2, 3' }],
    ['/krona adapters', 'adapters', 'list', {}],
    ['/krona adapters delete mochi-200-3fa9', 'adapters', 'delete', { adapter: 'mochi-200-3fa9' }],
    ['/krona queue cancel', 'queue', 'cancel', {}],
    ['/krona', 'help', '', {}],
    ['  /krona  help   train ', 'help', '', { command: 'train' }],
  ])('%s', (text, name, action, options) => {
    expect(parseCommandLine(text)).toEqual({ name, action, options });
  });

  it('with files is about adding photos', () => {
    expect(parseCommandLine('/krona photos mochi class:cat', 3)).toEqual({
      name: 'photos',
      action: 'add',
      options: { subject: 'mochi', class: 'cat' },
    });
  });

  it.each([
    ['/krona trian mochi', /^COMMAND_UNKNOWN: .*“trian”.*“train”/],
    ['/krona dance', /^COMMAND_UNKNOWN: .*Commands: train, photos/],
    ['/krona train subjcet:mochi', /^OPTION_UNKNOWN: .*“subject”/],
    ['/krona imagine a cat lr:0.1', /^OPTION_UNKNOWN: .*“lr” here.*Options: prompt, subject.*in "quotes"/],
    ['/krona imagine a cat photo:3', /^OPTION_UNKNOWN/],
    ['/krona train mochi colour:red', /^OPTION_UNKNOWN: .*Options: subject, class, caption, steps, method/],
    ['/krona train mochi class:cat class:dog', /^OPTION_TWICE/],
    ['/krona train mochi class:"guinea pig', /^QUOTE_OPEN/],
    ['/krona settings lrr:5e-4', /^OPTION_UNKNOWN: .*“lr”/],
    ['/krona queue cancle', /^ACTION_UNKNOWN: .*“cancel”/],
    ['/krona queue show everything', /^WORD_UNEXPECTED/],
    ['/krona imagine a cat cuont:2', /^OPTION_UNKNOWN: .*“count”/],
    ['/krona imagine a cat prompt:x prompt:y', /^OPTION_TWICE/],
  ])('refuses %s', (text, message) => {
    expect(refusal(text)).toMatch(message);
  });

  it('survives formatting and parsing, with any values', () => {
    const random = randomNumbers(7);
    const pieces = [
      'a',
      'ü',
      '猫',
      '🐈',
      ' ',
      '  ',
      '"',
      '\\',
      ':',
      'count:2',
      "'",
      '“',
      '”',
      '«x»',
      '\n',
      'م',
      '-',
      '/krona',
    ];
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    let tried = 0;
    for (const { data } of COMMANDS)
      for (const action of data.actions ?? [data])
        for (let i = 0; i < 60; i++) {
          const names = action.options.filter(isValue).map((option) => option.name);
          const options = Object.fromEntries(
            names
              .filter(() => random() < 0.7)
              .map((name) => [
                name,
                Array.from({ length: 1 + Math.floor(random() * 6) }, () => pick(pieces)).join(''),
              ]),
          );
          const command = { name: data.name, action: data.actions ? action.name : '', options };
          const text = formatCommandLine(command);
          expect(parseCommandLine(text), text).toEqual(command);
          tried += 1;
        }
    expect(tried).toBeGreaterThan(500);
  });

  it('as long as a book is refused, whatever it contains', () => {
    expect(refusal(`/krona imagine ${'"a '.repeat(100_000)}`)).toMatch(/^LINE_TOO_LONG/);
    expect(refusal(`/krona imagine ${'"a '.repeat(3000)}`)).toMatch(/^accepted/);
  });

  it('fails only with coded errors', () => {
    const random = randomNumbers(8);
    const pieces = [
      '/krona',
      'train',
      'imagine',
      'photos',
      'list',
      'settings',
      ' ',
      ' ',
      'x:',
      'seed:',
      '"',
      '“',
      '\\',
      ':',
      'é',
      '\u0000',
      '🐈',
      '\t',
    ];
    for (let i = 0; i < 3000; i++) {
      const text = Array.from(
        { length: Math.floor(random() * 12) },
        () => pieces[Math.floor(random() * pieces.length)]!,
      ).join('');
      expect(refusal(text), JSON.stringify(text)).toMatch(/^(accepted|[A-Z_]+): /);
    }
  });
});

describe('the nearest known word', () => {
  it('is found despite a swapped, wrong or missing letter, but no more', () => {
    expect(editDistance('trian', 'train')).toBe(1);
    expect(nearest('Guidence', ['guidance', 'seed'])).toBe('guidance');
    expect(nearest('smapling_setps', ['sampling_steps'])).toBe('sampling_steps');
    expect(nearest('cat', ['lr', 'steps'])).toBeNull();
  });

  it('is not searched for a page of text, however many words are known', () => {
    const known = Array.from({ length: 300 }, (_, nth) => `a-name-of-thirty-letters-${nth}`);
    const read = vi.spyOn(String.prototype, Symbol.iterator);
    expect(nearest('x'.repeat(8_000), known)).toBeNull();
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
  });

  it('is by a distance: symmetric, zero only for equal words, at most the longer word', () => {
    const random = randomNumbers(9);
    const word = (): string =>
      Array.from({ length: Math.floor(random() * 8) }, () => 'abcd'[Math.floor(random() * 4)]!).join('');
    for (let i = 0; i < 500; i++) {
      const [a, b] = [word(), word()];
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
    }
  });
});
