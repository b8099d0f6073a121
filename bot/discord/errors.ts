/**
 * @file Discord's error codes as Krona's errors. Everything else that a request throws stays as it is: a bug, or a
 * network failure.
 * https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
 */
import { DiscordAPIError } from 'discord.js';
import { KronaError } from '../../core/errors.ts';

/** Names of the codes that Krona handles. */
export const CODE = {
  unknownChannel: 10_003,
  unknownMessage: 10_008,
  unknownEmoji: 10_014,
  unknownWebhook: 10_015,
  unknownInteraction: 10_062,
  tooManyReactions: 30_010,
  tooManyEditsOfOldMessage: 30_046,
  requestTooLarge: 40_005,
  alreadyAcknowledged: 40_060,
  missingAccess: 50_001,
  cannotMessageUser: 50_007,
  missingPermissions: 50_013,
  invalidWebhookToken: 50_027,
  threadArchived: 50_083,
  reactionBlocked: 90_001,
  threadLocked: 160_005,
} as const;

type Name = keyof typeof CODE;

/** Whether an error is one of these answers of Discord. */
export function isDiscord(error: unknown, ...names: readonly Name[]): error is DiscordAPIError {
  return error instanceof DiscordAPIError && names.some((name) => error.code === CODE[name]);
}

/** Too large for Discord, or for a proxy in between. */
export const isTooLarge = (error: unknown): boolean =>
  isDiscord(error, 'requestTooLarge') || (error instanceof DiscordAPIError && error.status === 413);

/** The token of an interaction has expired, after 15 minutes, or the interaction is unknown. */
export const isExpired = (error: unknown): boolean =>
  isDiscord(error, 'invalidWebhookToken', 'unknownWebhook', 'unknownInteraction');

export const tokenInvalid = (cause?: unknown): KronaError =>
  new KronaError(
    'DISCORD_TOKEN_INVALID',
    'Discord does not accept the token in DISCORD_TOKEN. Copy it again (Developer Portal, your application, Bot, Reset Token) and restart Krona.',
    { cause },
  );

/** @param missing names of permissions, as the server settings show them */
export const postForbidden = (channelName: string, missing: readonly string[], cause?: unknown): KronaError =>
  new KronaError(
    'POST_FORBIDDEN',
    `Krona can't post in #${channelName}: it lacks the permission ${missing.join(', ') || 'to do so'}. ` +
      'A server administrator can grant it to the role Krona in the channel’s settings, under Permissions.',
    { cause },
  );

export const threadClosed = (cause: unknown): KronaError =>
  new KronaError(
    'POST_FORBIDDEN',
    "This thread is locked, so Krona can't post here. A moderator can unlock it (thread menu, Unlock Thread).",
    { cause },
  );

export const channelGone = (cause: unknown): KronaError =>
  new KronaError('CHANNEL_GONE', 'The channel was deleted, or Krona was removed from its server.', { cause });

export const deleteForbidden = (cause: unknown): KronaError =>
  new KronaError('DELETE_FORBIDDEN', 'Discord does not let Krona delete this message.', { cause });

/** Why Discord did not take the acknowledgement of an interaction. */
export function notTaken(cause: unknown): unknown {
  if (isDiscord(cause, 'unknownInteraction'))
    return new KronaError(
      'DISCORD_TOO_LATE',
      'Discord expects an answer within 3 s, and Krona took longer; the command did not run.',
      { cause },
    );
  if (isDiscord(cause, 'alreadyAcknowledged'))
    return new KronaError(
      'DISCORD_TAKEN',
      'Another process with the same token has taken the command. Run one bot per token.',
      { cause },
    );
  return cause;
}

const messageGone = (cause: unknown): KronaError =>
  new KronaError('MESSAGE_GONE', 'The message was deleted on Discord.', { cause });

/**
 * The error to throw for an answer to a request about a channel's messages.
 *
 * @param onMessage - the request is about an existing message: when its channel is deleted, so is the message
 * @param forbidden - makes the error for a missing permission, which only its channel can name, or for a server that
 * removed Krona: Discord answers the same (50001) where Krona can't view the channel
 */
export function translated(
  error: unknown,
  onMessage: boolean,
  forbidden: (cause: unknown) => KronaError,
): unknown {
  if (isDiscord(error, 'unknownMessage')) return messageGone(error);
  if (isDiscord(error, 'unknownChannel')) return onMessage ? messageGone(error) : channelGone(error);
  if (isDiscord(error, 'missingAccess', 'missingPermissions')) return forbidden(error);
  if (isDiscord(error, 'cannotMessageUser'))
    return new KronaError(
      'POST_FORBIDDEN',
      "Krona can't send you direct messages. Allow them in your privacy settings, or install Krona for yourself.",
      { cause: error },
    );
  if (isDiscord(error, 'threadLocked')) return threadClosed(error);
  // A thread is archived after a while, edits or not; a new message reopens it.
  if (isDiscord(error, 'threadArchived') && !onMessage) return threadClosed(error);
  if (isDiscord(error, 'threadArchived'))
    return new KronaError(
      'MESSAGE_STALE',
      'Discord takes no edits in an archived thread. A new message replaces this one.',
      { cause: error },
    );
  if (isDiscord(error, 'tooManyEditsOfOldMessage'))
    return new KronaError(
      'MESSAGE_STALE',
      'Discord no longer allows edits of this message, as it is older than an hour. A new one replaces it.',
      { cause: error },
    );
  if (error instanceof DiscordAPIError && error.status === 401) return tokenInvalid(error);
  // The client drops a token that was refused once.
  if (error instanceof Error && error.message.startsWith('Expected token to be set'))
    return tokenInvalid(error);
  return error;
}
