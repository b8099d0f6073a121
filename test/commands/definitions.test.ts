import { describe, expect, expectTypeOf, it } from 'vitest';
import { registration } from '../../bot/discord/registration.ts';
import { checkDefinitions } from '../../commands/check-definitions.ts';
import type { Command, CommandContext, CommandData, Invocation } from '../../commands/contract.ts';
import { command as typedCommand } from '../../commands/define.ts';
import { COMMANDS, parseCommandLine } from '../../commands/index.ts';
import { checkOptions } from '../../commands/line/options.ts';
import { MAX_NAME } from '../../commands/subjects/subjects.ts';

function command(change: Partial<CommandData>): Command {
  return {
    data: { name: 'dance', description: 'Dance', example: '/krona dance', options: [], ...change },
    run: async () => ({ tone: 'info', title: '' }),
  };
}

describe('the list of commands', () => {
  it('has every command of the README, each with a valid example', () => {
    expect(COMMANDS.map(({ data }) => data.name)).toEqual([
      'train',
      'photos',
      'imagine',
      'edit',
      'upscale',
      'style',
      'settings',
      'adapters',
      'gallery',
      'top',
      'duel',
      'refine',
      'sweep',
      'queue',
      'model',
      'delete',
      'rules',
      'privacy',
      'help',
    ]);
    for (const { data } of COMMANDS) expect(parseCommandLine(data.example).name).toBe(data.name);
  });

  it('fits Discord: 8,000 characters of names, descriptions and choices at most', () => {
    const size = (part: unknown): number => {
      if (Array.isArray(part)) return part.reduce((sum: number, each) => sum + size(each), 0);
      if (typeof part !== 'object' || part === null) return 0;
      return Object.entries(part).reduce(
        (sum, [key, value]) =>
          sum +
          (['name', 'description', 'value'].includes(key) && typeof value === 'string'
            ? value.length
            : size(value)),
        0,
      );
    };
    const all = size(registration()[0]);
    expect(all).toBeGreaterThan(2000);
    expect(all).toBeLessThan(8000);
  });

  it('hands each command its options with the types that it declares', async () => {
    const seen: unknown[] = [];
    const dance = typedCommand(
      {
        name: 'dance',
        description: 'Dance',
        example: '/krona dance',
        options: [
          { name: 'partner', description: 'Who', type: 'text', required: true },
          { name: 'style', description: 'How', type: 'text', choices: ['waltz', 'tango'] },
          { name: 'rounds', description: 'How often', type: 'integer', min: 1 },
          { name: 'slow', description: 'Slowly', type: 'flag' },
        ],
      },
      async ({ options }) => {
        expectTypeOf(options).toEqualTypeOf<{
          readonly partner: string;
          readonly style: 'waltz' | 'tango' | undefined;
          readonly rounds: number | undefined;
          readonly slow: boolean | undefined;
        }>();
        seen.push(options);
        return { tone: 'info', title: '' };
      },
    );
    const options = checkOptions(dance.data, { partner: 'Ben', rounds: '3', slow: 'no' });
    await dance.run({ options } as Invocation, {} as CommandContext);
    expect(seen).toEqual([{ partner: 'Ben', rounds: 3, slow: false }]);
  });

  it('takes names of subjects and classes up to their limit, and refuses longer ones', () => {
    const taking = COMMANDS.filter(({ data }) => ['train', 'photos'].includes(data.name)).flatMap(
      ({ data }) => data.actions ?? [data],
    );
    const options = taking.flatMap((data) =>
      data.options
        .filter(({ name }) => name === 'subject' || name === 'class')
        .map((option) => ({ option, data: { ...data, options: [option] } })),
    );
    expect(
      options
        .map(({ option }) => option.name)
        .sort()
        .slice(0, 3),
    ).toEqual(['class', 'class', 'subject']);
    for (const { option, data } of options) {
      const longest = 'ä'.repeat(MAX_NAME);
      expect(checkOptions(data, { [option.name]: longest })).toEqual({ [option.name]: longest });
      expect(() => checkOptions(data, { [option.name]: `${longest}o` })).toThrow(
        `\`${option.name}\` has ${MAX_NAME + 1} characters; at most ${MAX_NAME} are allowed.`,
      );
    }
  });

  it('is all that help shows', async () => {
    const help = COMMANDS.at(-1)!;
    const invocation = {
      action: '',
      options: {},
      attachments: [],
      moderator: false,
    } as unknown as Parameters<Command['run']>[0];
    const context = {} as Parameters<Command['run']>[1];
    const overview = await help.run(invocation, context);
    expect(overview.table!.rows).toHaveLength(COMMANDS.length);
    for (const { data } of COMMANDS) {
      const card = await help.run({ ...invocation, options: { command: data.name } }, context);
      const text = JSON.stringify(card);
      for (const option of [...data.options, ...(data.actions ?? []).flatMap((action) => action.options)])
        expect(text).toContain(option.name);
    }
  });
});

describe('a bad definition stops the program with the reason', () => {
  const option = { name: 'x', description: 'X', type: 'text' } as const;
  it.each<[string, readonly Command[], RegExp]>([
    ['two of a name', [command({}), command({})], /“dance” defined twice/],
    ['a bad name', [command({ name: 'Dance!' })], /name “Dance!”/],
    ['no description', [command({ description: '' })], /0 characters/],
    [
      'required after optional',
      [command({ options: [option, { ...option, name: 'y', required: true }] })],
      /y comes after/,
    ],
    ['an option twice', [command({ options: [option, option] })], /“x” defined twice/],
    [
      'two free texts',
      [
        command({
          options: [
            { ...option, freeText: true },
            { ...option, name: 'y', freeText: true },
          ],
        }),
      ],
      /2 freeText/,
    ],
    ['bounds of a text', [command({ options: [{ ...option, min: 1 }] })], /bounds are for numbers/],
    [
      'min above max',
      [command({ options: [{ ...option, type: 'integer', min: 2, max: 1 }] })],
      /min 2 is above max 1/,
    ],
    [
      'choices of a number',
      [command({ options: [{ ...option, type: 'number', choices: ['1'] }] })],
      /choices are for text/,
    ],
    [
      'options beside actions',
      [command({ options: [option], actions: [{ ...option, options: [] }] })],
      /belong to them/,
    ],
    ['no actions in the list', [command({ actions: [] })], /empty list of actions/],
    [
      'a bad option of an action',
      [command({ actions: [{ name: 'a', description: 'A', options: [{ ...option, name: 'É' }] }] })],
      /“É”/,
    ],
  ])('%s', (_name, list, message) => {
    expect(() => checkDefinitions(list)).toThrow(message);
  });
});
