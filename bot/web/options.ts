/** @file The commands as the composer needs them: names, options and choices. */
import type { Command, OptionData, SubcommandData } from '../../commands/contract.ts';
import { listed } from '../../commands/define.ts';
import type { CommandView, OptionView } from './protocol.ts';

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
    : listed(data.actions).map((action) => ({ path: `${data.name} ${action.name}`, data: action }));
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
