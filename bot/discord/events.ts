/** @file The member, channel, command and options of an interaction, as the gateway contract has them. */
import {
  type AutocompleteInteraction,
  type BaseInteraction,
  type ChatInputCommandInteraction,
  type CommandInteractionOption,
  InteractionContextType,
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

/** Direct messages have limits and blocks together, as a server's channels have. */
export const DIRECT = 'direct';

const directPlace = (externalId: string): Place => ({
  externalId,
  name: 'direct messages',
  direct: true,
  serverId: DIRECT,
});

/** The member and channel of an interaction. */
export function whoAndWhere(interaction: BaseInteraction, places: Places): WhoAndWhere {
  const { channelId, user, guildId, memberPermissions, context } = interaction;
  const member = interaction.member;
  const cached = member !== null && 'displayName' in member;
  const roles =
    member === null ? [] : Array.isArray(member.roles) ? member.roles : [...member.roles.cache.keys()];
  return {
    channel:
      context === InteractionContextType.BotDM
        ? directPlace(channelId ?? '')
        : places.of(channelId ?? '', guildId),
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
