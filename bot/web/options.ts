/** @file The commands as the composer needs them: names, options, choices, and live suggestions. */
import type { Command, CommandContext, OptionData, SubcommandData } from '../../commands/contract.ts';
import type { Channel } from '../../storage/records/contract.ts';
import type { CommandView, OptionView } from './protocol.ts';

/** Suggestions shown at once. */
const SHOWN = 25;

const optionView = (option: OptionData): OptionView => ({
  name: option.name,
  description: option.description,
  type: option.type,
  required: option.required === true,
  choices: option.choices ?? [],
  live: option.complete !== undefined,
  freeText: option.freeText === true,
});

/** Every command by its whole path: one with actions once for each of them. */
function paths({ data }: Command): { path: string; data: SubcommandData }[] {
  return data.actions === undefined
    ? [{ path: data.name, data }]
    : data.actions.map((action) => ({ path: `${data.name} ${action.name}`, data: action }));
}

export function describeCommands(commands: readonly Command[]): CommandView[] {
  return commands.flatMap((command) =>
    paths(command).map(({ path, data }) => ({
      path,
      description: data.description,
      example: command.data.example,
      options: data.options.map(optionView),
    })),
  );
}

/** What an option could be, given what has been typed of it: what starts so first, then what contains it. */
export async function completions(
  commands: readonly Command[],
  asked: { readonly path: string; readonly option: string; readonly typed: string },
  context: CommandContext,
  channel: Channel,
): Promise<string[]> {
  const data = commands.flatMap(paths).find(({ path }) => path === asked.path)?.data;
  const option = data?.options.find(({ name }) => name === asked.option);
  const values = (await option?.complete?.(asked.typed, context, channel)) ?? [];
  const typed = asked.typed.toLowerCase();
  const containing = values.filter((value) => value.toLowerCase().includes(typed));
  const starting = containing.filter((value) => value.toLowerCase().startsWith(typed));
  return [...starting, ...containing.filter((value) => !starting.includes(value))].slice(0, SHOWN);
}
