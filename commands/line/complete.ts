/** @file Suggestions for an option's value while a member types. */
import type { Channel } from '../../core/records.ts';
import type { CommandContext, OptionData, SubcommandData } from '../contract.ts';
import { COMMANDS } from '../index.ts';

/** Most suggestions that platforms show. */
const MOST = 25;

/** Returns the values that start with the typed text, then those that contain it, ignoring case. */
function matching(typed: string, values: readonly string[]): string[] {
  const wanted = typed.trim().toLowerCase();
  const starting = values.filter((value) => value.toLowerCase().startsWith(wanted));
  const containing = values.filter((value) => value.toLowerCase().includes(wanted));
  return [...new Set([...starting, ...containing])].slice(0, MOST);
}

async function valuesOf(
  option: OptionData,
  typed: string,
  context: CommandContext,
  channel: Channel,
): Promise<string[]> {
  const wanted = typed.normalize('NFC');
  // Free text is completed in its middle, so its completion has matched already.
  if (option.freeText) return [...((await option.complete?.(wanted, context, channel)) ?? [])].slice(0, MOST);
  if (option.type === 'flag') return matching(wanted, ['yes', 'no']);
  return matching(wanted, option.choices ?? (await option.complete?.(wanted, context, channel)) ?? []);
}

function dataOf(name: string, action: string): SubcommandData | undefined {
  const data = COMMANDS.find((command) => command.data.name === name)?.data;
  return data?.actions ? data.actions.find((each) => each.name === action) : data;
}

export interface Typing {
  readonly name: string;
  readonly action: string;
  readonly option: string;
  readonly typed: string;
  /** The person who types is a moderator. Default false. */
  readonly moderator?: boolean;
}

/**
 * Returns suggestions for an option; none for unknown names, and none for what the member can't use: they would tell who
 * is blocked.
 */
export async function completeOption(
  { name, action, option: optionName, typed, moderator = false }: Typing,
  context: CommandContext,
  channel: Channel,
): Promise<string[]> {
  const data = dataOf(name, action);
  if (data?.needs === 'moderator' && !moderator) return [];
  const option = data?.options.find((each) => each.name === optionName);
  return option ? valuesOf(option, typed, context, channel) : [];
}
