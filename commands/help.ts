/** @file `/krona help`, generated from the definitions of the commands. */
import { KronaError } from '../core/errors.ts';
import type { Card } from './card.ts';
import type { Command, CommandData, SubcommandData } from './contract.ts';
import { listed } from './define.ts';
import { suggestion } from '../core/nearest.ts';
import { expectation, textOption } from './line/options.ts';

function overview(commands: readonly CommandData[]): Card {
  return {
    tone: 'info',
    title: 'Train Krona with your photos, then draw',
    text: [
      '1. `/krona train subject:mochi class:cat` with 4 to 10 photos',
      '2. `/krona imagine a watercolour of mochi`',
      '3. React to the pictures. Votes choose the adapter that the channel uses next.',
    ],
    table: {
      columns: ['command', 'what it does', 'example'],
      rows: commands.map(({ name, description, example }) => [`/krona ${name}`, description, example]),
    },
    audience: 'caller',
  };
}

function optionFields(data: SubcommandData, prefix: string) {
  return data.options.map((option) => ({
    name: `${prefix}${option.name}${option.required ? '' : ' (optional)'}`,
    value: `${option.description}: ${expectation(option)}`,
  }));
}

function details(data: CommandData): Card {
  return {
    tone: 'info',
    title: `/krona ${data.name}`,
    text: [
      `${data.description}.`,
      `Example: \`${data.example}\``,
      ...listed(data.actions ?? []).map(({ name, description }) => `**${name}**: ${description}.`),
    ],
    fields: data.actions
      ? listed(data.actions).flatMap((action) => optionFields(action, `${action.name} · `))
      : optionFields(data, ''),
    audience: 'caller',
  };
}

/** Returns the help command for a list of commands, itself included. */
export function helpFor(others: readonly Command[]): Command {
  const help: Command = {
    data: {
      name: 'help',
      direct: true,
      description: 'Show what Krona can do',
      example: '/krona help train',
      openToBlocked: true,
      options: [
        {
          name: 'command',
          description: 'Show more about this command',
          type: 'text',
          complete: async () => all().map(({ name }) => name),
        },
      ],
    },
    async run(invocation) {
      const typed = textOption(invocation, 'command');
      if (typed === undefined) return overview(all());
      const name = typed.toLowerCase().replace(/^\/krona\s+/, '');
      const data = all().find((each) => each.name === name);
      if (data) return details(data);
      const names = all().map((each) => each.name);
      throw new KronaError(
        'COMMAND_UNKNOWN',
        `There is no command “${typed.slice(0, 40)}”.${suggestion(name, names)} Commands: ${names.join(', ')}.`,
      );
    },
  };
  const all = (): CommandData[] => [...others, help].map(({ data }) => data);
  return help;
}
