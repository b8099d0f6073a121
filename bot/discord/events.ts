/** @file The member, channel, command and options of an interaction, as the gateway contract has them. */
import {
  type AutocompleteInteraction,
  type BaseInteraction,
  type ChatInputCommandInteraction,
  type CommandInteractionOption,
  PermissionFlagsBits,
} from 'discord.js';
import type { Attachment } from '../../commands/contract.ts';
import type { InvocationEvent, Party, Place } from '../gateway.ts';
import { incoming } from './incoming.ts';
import type { Places } from './places.ts';

export interface WhoAndWhere {
  readonly channel: Place;
  readonly member: Party;
  readonly moderator: boolean;
  readonly manager: boolean;
  readonly roles: readonly string[];
}

/** The member and channel of an interaction. @param interaction - of a server */
export function whoAndWhere(interaction: BaseInteraction, places: Places): WhoAndWhere {
  const { channelId, user, guildId, memberPermissions } = interaction;
  const member = interaction.member;
  const cached = member !== null && 'displayName' in member;
  const roles =
    member === null ? [] : Array.isArray(member.roles) ? member.roles : [...member.roles.cache.keys()];
  return {
    channel: places.of(channelId ?? '', guildId),
    member: {
      externalId: user.id,
      name: cached ? member.displayName : (member?.nick ?? user.displayName),
    },
    // Administrators have every permission.
    moderator: memberPermissions?.has(PermissionFlagsBits.ManageMessages) ?? false,
    manager: memberPermissions?.has(PermissionFlagsBits.ManageGuild) ?? false,
    // The role @everyone has the server's id.
    roles: roles.filter((id) => id !== guildId),
  };
}

export interface NamedCommand {
  readonly command: string;
  readonly action: string;
}

/** `/krona <command> [<action>]` */
export function commandName({
  options,
}: ChatInputCommandInteraction | AutocompleteInteraction): NamedCommand {
  const group = options.getSubcommandGroup(false);
  const sub = options.getSubcommand();
  return group === null ? { command: sub, action: '' } : { command: group, action: sub };
}

/** The values and files of a command. @param api - as in `incoming` */
export function commandOptions(
  { options: { data } }: ChatInputCommandInteraction,
  api: string | null,
): {
  options: InvocationEvent['options'];
  attachments: Attachment[];
} {
  const options: Record<string, string | number | boolean> = {};
  const attachments: Attachment[] = [];
  const read = ({ name, value, attachment, options: nested }: CommandInteractionOption) => {
    if (attachment) attachments.push({ option: name, ...incoming(attachment, api) });
    else if (value !== undefined) options[name] = value;
    nested?.forEach(read);
  };
  data.forEach(read);
  return { options, attachments };
}
