/** @file Registers the commands with Discord, or removes them, for all servers or for one: `krona discord register`. */
import {
  ApplicationCommandOptionType,
  DiscordAPIError,
  type RESTGetAPIApplicationCommandsResult,
  type RESTGetCurrentApplicationResult,
  Routes,
} from 'discord.js';
import type { DiscordConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { BotRest, unreachable } from './connection.ts';
import { tokenInvalid } from './errors.ts';
import { inviteLink, memberLink } from './permissions.ts';
import { registration } from './registration.ts';

export interface Registered {
  readonly application: { readonly id: string; readonly name: string };
  /** null: in all servers. */
  readonly guildId: string | null;
  /** Each as a member types or finds it. None when they were removed. */
  readonly commands: readonly string[];
  /** The link that invites the bot to a server, with the permissions that it needs and no more. */
  readonly invite: string;
  /** The link by which members install it for themselves; null where it does not draw in direct messages. */
  readonly forMembers: string | null;
}

/**
 * Replaces the commands that were registered before. Commands that are registered both for all servers and for one are
 * listed twice in that one.
 *
 * @param guildId - registers in this server only, where the commands appear at once; null: everywhere
 * @param remove - only removes the commands that were registered there
 * @throws KronaError DISCORD_TOKEN_INVALID, DISCORD_GUILD_UNKNOWN, DISCORD_UNREACHABLE
 */
export async function registerCommands(
  config: DiscordConfig,
  guildId: string | null,
  remove = false,
): Promise<Registered> {
  const rest = new BotRest(config);
  // Only commands of all servers can be used elsewhere.
  const direct = config.direct === true && guildId === null;
  const data = remove ? [] : registration(direct);
  try {
    const { id, name } = await rest.ask<RESTGetCurrentApplicationResult>('get', Routes.currentApplication());
    const route =
      guildId === null ? Routes.applicationCommands(id) : Routes.applicationGuildCommands(id, guildId);
    await rest.put(route, { body: data });
    const links = {
      invite: inviteLink(id),
      forMembers: direct ? memberLink(id) : null,
    };
    return { application: { id, name }, guildId, commands: commandNames(data), ...links };
  } catch (error) {
    if (error instanceof DiscordAPIError && error.status === 401) throw tokenInvalid(error);
    if (error instanceof DiscordAPIError && [10_004, 50_001].includes(Number(error.code)))
      throw new KronaError(
        'DISCORD_GUILD_UNKNOWN',
        'Krona is not in the server with this id. Invite it first, and copy the id with developer mode on (Settings, Advanced).',
        { cause: error },
      );
    if (error instanceof DiscordAPIError && error.status < 500) throw error;
    throw unreachable(error);
  }
}

export interface ApplicationState {
  readonly application: Registered['application'];
  /** How many are registered for all servers. */
  readonly commands: number;
  /** Names of top-level commands and menu entries that this release has and Discord lacks. */
  readonly missing: readonly string[];
}

/** Looks at the application of a token, and changes nothing. @throws KronaError DISCORD_TOKEN_INVALID, DISCORD_UNREACHABLE */
export async function describeApplication(config: DiscordConfig): Promise<ApplicationState> {
  const rest = new BotRest(config);
  try {
    const { id, name } = await rest.ask<RESTGetCurrentApplicationResult>('get', Routes.currentApplication());
    const there = await rest.ask<RESTGetAPIApplicationCommandsResult>('get', Routes.applicationCommands(id));
    const names = there.map((command) => command.name);
    const missing = registration(config.direct).flatMap((command) =>
      names.includes(command.name) ? [] : [command.name],
    );
    return { application: { id, name }, commands: there.length, missing };
  } catch (error) {
    if (error instanceof DiscordAPIError && error.status === 401) throw tokenInvalid(error);
    throw unreachable(error);
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
