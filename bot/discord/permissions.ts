/** @file The permissions that Krona needs in a channel, by the names that Discord's settings show. */
import {
  ApplicationIntegrationType,
  OAuth2Routes,
  OAuth2Scopes,
  PermissionFlagsBits,
  type PermissionsBitField,
  type PermissionResolvable,
} from 'discord.js';

type Needed = readonly [name: string, flag: bigint];

export const VIEW_CHANNEL = 'View Channel';

const EVERYWHERE: readonly Needed[] = [
  [VIEW_CHANNEL, PermissionFlagsBits.ViewChannel],
  ['Attach Files', PermissionFlagsBits.AttachFiles],
  ['Add Reactions', PermissionFlagsBits.AddReactions],
  ['Read Message History', PermissionFlagsBits.ReadMessageHistory],
];
const IN_CHANNELS: Needed = ['Send Messages', PermissionFlagsBits.SendMessages];
const IN_THREADS: Needed = ['Send Messages in Threads', PermissionFlagsBits.SendMessagesInThreads];

/** All of them as a bit field, for the invitation. */
const INVITE_PERMISSIONS: bigint = [...EVERYWHERE, IN_CHANNELS, IN_THREADS].reduce(
  (bits, [, flag]) => bits | flag,
  0n,
);

/** Names of the permissions that are missing to post in a channel or thread. */
export function missingPermissions(granted: Readonly<PermissionsBitField>, thread: boolean): string[] {
  const needed = [thread ? IN_THREADS : IN_CHANNELS, ...EVERYWHERE];
  return needed.filter(([, flag]) => !granted.has(flag satisfies PermissionResolvable)).map(([name]) => name);
}

/** The page on which a member installs Krona for themselves. */
export function memberLink(applicationId: string): string {
  const query = new URLSearchParams({
    client_id: applicationId,
    integration_type: String(ApplicationIntegrationType.UserInstall),
    scope: OAuth2Scopes.ApplicationsCommands,
  });
  return `${OAuth2Routes.authorizationURL}?${query.toString()}`;
}

/** The page on which a server's administrator invites the bot. */
export function inviteLink(applicationId: string): string {
  const query = new URLSearchParams({
    client_id: applicationId,
    scope: `${OAuth2Scopes.Bot} ${OAuth2Scopes.ApplicationsCommands}`,
    permissions: String(INVITE_PERMISSIONS),
  });
  return `${OAuth2Routes.authorizationURL}?${query.toString()}`;
}
