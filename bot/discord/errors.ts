/**
 * @file Discord's error codes in our words. Everything else that a request throws stays as it is: a bug, or a
 * network that is gone for a while.
 * https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
 */
import { DiscordAPIError } from 'discord.js';
import { KronaError } from '../../core/errors.ts';

/** A name for the codes that are told apart. */
export const CODE = {
  unknownChannel: 10_003,
  unknownMessage: 10_008,
  unknownWebhook: 10_015,
  unknownInteraction: 10_062,
  tooManyReactions: 30_010,
  tooManyEditsOfOldMessage: 30_046,
  requestTooLarge: 40_005,
  alreadyAcknowledged: 40_060,
  missingAccess: 50_001,
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

/** Too large for Discord, also where a proxy in between says it. */
export const isTooLarge = (error: unknown): boolean =>
  isDiscord(error, 'requestTooLarge') || (error instanceof DiscordAPIError && error.status === 413);

/** The token of an interaction is dead, 15 minutes after it came, or the interaction is unknown. */
export const isExpired = (error: unknown): boolean =>
  isDiscord(error, 'invalidWebhookToken', 'unknownWebhook', 'unknownInteraction');

export const tokenInvalid = (cause?: unknown): KronaError =>
  new KronaError(
    'DISCORD_TOKEN_INVALID',
    'Discord does not know the token in DISCORD_TOKEN. Copy it again (Developer Portal, your application, Bot, Reset Token) and start Krona again.',
    { cause },
  );

export const stopping = (): KronaError =>
  new KronaError('STOPPING', 'Krona is being restarted; try again in a moment.', { retryable: true });

/** @param missing names of permissions, as the server settings show them */
export const postForbidden = (channelName: string, missing: readonly string[], cause?: unknown): KronaError =>
  new KronaError(
    'POST_FORBIDDEN',
    `Krona may not post in #${channelName}: it lacks the permission ${missing.join(', ') || 'to do so'}. ` +
      'Who manages the server grants it in the channel’s settings, under Permissions, to the role Krona.',
    { cause },
  );

export const threadClosed = (cause: unknown): KronaError =>
  new KronaError(
    'POST_FORBIDDEN',
    'This thread is closed, and only who moderates it opens it again (its menu, Unlock Thread); Krona may not post here until then.',
    { cause },
  );

export const channelGone = (cause: unknown): KronaError =>
  new KronaError('CHANNEL_GONE', 'The channel was deleted, or Krona was put out of its server.', { cause });

/** Its words are for the log. */
export const deleteForbidden = (cause: unknown): KronaError =>
  new KronaError('DELETE_FORBIDDEN', 'Discord does not let Krona delete this message.', { cause });

const messageGone = (cause: unknown): KronaError =>
  new KronaError('MESSAGE_GONE', 'The message was deleted at Discord.', { cause });

/**
 * What to throw for an answer to a request about a channel's messages.
 *
 * @param onMessage a message that is there already: when its channel is deleted, so is it
 * @param forbidden makes the error for a missing permission, which only its channel can name, or for a server that
 * Krona was put out of: Discord answers the same (50001) where it may not view the channel
 */
export function translated(
  error: unknown,
  onMessage: boolean,
  forbidden: (cause: unknown) => KronaError,
): unknown {
  if (isDiscord(error, 'unknownMessage')) return messageGone(error);
  if (isDiscord(error, 'unknownChannel')) return onMessage ? messageGone(error) : channelGone(error);
  if (isDiscord(error, 'missingAccess', 'missingPermissions')) return forbidden(error);
  if (isDiscord(error, 'threadLocked')) return threadClosed(error);
  // A thread falls asleep, edits or not; a new message wakes it.
  if (isDiscord(error, 'threadArchived') && !onMessage) return threadClosed(error);
  if (isDiscord(error, 'threadArchived'))
    return new KronaError(
      'MESSAGE_STALE',
      'Discord takes no edits in a thread that is archived; a new message must take its place.',
      { cause: error },
    );
  if (isDiscord(error, 'tooManyEditsOfOldMessage'))
    return new KronaError(
      'MESSAGE_STALE',
      'Discord takes no more edits of this message, as it is older than an hour; a new one must take its place.',
      { cause: error },
    );
  if (error instanceof DiscordAPIError && error.status === 401) return tokenInvalid(error);
  // The client forgets a token that was refused once.
  if (error instanceof Error && error.message.startsWith('Expected token to be set'))
    return tokenInvalid(error);
  return error;
}
