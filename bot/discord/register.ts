/** @file Registers the commands with Discord, for all servers or for one: what `krona discord register` does. */
import {
  ApplicationCommandOptionType,
  DiscordAPIError,
  type RESTGetCurrentApplicationResult,
  type RESTPutAPIApplicationCommandsResult,
  Routes,
} from 'discord.js';
import type { DiscordConfig } from '../../storage/config.ts';
import { KronaError } from '../../storage/errors.ts';
import { createRest } from './connection.ts';
import { tokenInvalid } from './errors.ts';
import { inviteLink } from './permissions.ts';
import { registration } from './registration.ts';

export interface Registered {
  readonly application: { readonly id: string; readonly name: string };
  /** null: in all servers. */
  readonly guildId: string | null;
  /** Each as a member types or finds it. */
  readonly commands: readonly string[];
  /** Lets the bot into a server, with the permissions that it needs and no more. */
  readonly invite: string;
}

/**
 * Puts the commands in the place of those that were registered before.
 *
 * @param guildId only there, where they appear at once; null: everywhere
 * @throws KronaError DISCORD_TOKEN_INVALID, DISCORD_GUILD_UNKNOWN
 */
export async function registerCommands(config: DiscordConfig, guildId: string | null): Promise<Registered> {
  const rest = createRest(config);
  const data = registration();
  try {
    const { id, name } = (await rest.get(Routes.currentApplication())) as RESTGetCurrentApplicationResult;
    const route =
      guildId === null ? Routes.applicationCommands(id) : Routes.applicationGuildCommands(id, guildId);
    (await rest.put(route, { body: data })) as RESTPutAPIApplicationCommandsResult;
    return { application: { id, name }, guildId, commands: commandNames(data), invite: inviteLink(id) };
  } catch (error) {
    if (error instanceof DiscordAPIError && error.status === 401) throw tokenInvalid(error);
    if (error instanceof DiscordAPIError && [10_004, 50_001].includes(Number(error.code)))
      throw new KronaError(
        'DISCORD_GUILD_UNKNOWN',
        'Krona is not in the server with this id. Invite it first, and copy the id with the developer mode switched on (Settings, Advanced).',
        { cause: error },
      );
    throw error;
  }
}

function commandNames(data: ReturnType<typeof registration>): string[] {
  return data.flatMap((command) => {
    if (!('options' in command) || !command.options) return [command.name];
    return command.options.flatMap((option) => {
      const path = `/${command.name} ${option.name}`;
      const actions =
        'options' in option
          ? (option.options ?? []).filter(({ type }) => type === ApplicationCommandOptionType.Subcommand)
          : [];
      return actions.length === 0 ? [path] : actions.map(({ name }) => `${path} ${name}`);
    });
  });
}
