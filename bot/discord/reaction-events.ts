/**
 * @file Reactions as Discord's packets tell them: so they come for messages of any age, and say whose message it is,
 * which the library's own events leave out.
 */
import {
  type Client,
  GatewayDispatchEvents,
  type GatewayMessageReactionAddDispatchData,
  type GatewayMessageReactionRemoveDispatchData,
  type RESTGetAPIUserResult,
  Routes,
} from 'discord.js';
import type { Log } from '../../core/log.ts';
import type { GatewayHandlers, Party } from '../gateway.ts';
import type { BotRest } from './connection.ts';
import { emojiName } from './reactions.ts';

type ReactionData = GatewayMessageReactionAddDispatchData | GatewayMessageReactionRemoveDispatchData;

export interface ReactionEventsParts {
  readonly client: Client;
  readonly rest: BotRest;
  readonly log: Log;
  /** null while the bot stops. */
  readonly handlers: () => GatewayHandlers | null;
  /** Lets work go on in the background. */
  readonly track: (work: Promise<unknown>) => void;
  /** Reactions may have changed without Krona being told. */
  readonly missed: () => void;
}

export class ReactionEvents {
  readonly #parts: ReactionEventsParts;

  constructor(parts: ReactionEventsParts) {
    this.#parts = parts;
  }

  listen(): void {
    const { client, track, missed } = this.#parts;
    client.ws.on(GatewayDispatchEvents.MessageReactionAdd, (data: GatewayMessageReactionAddDispatchData) => {
      const ours = data.message_author_id === undefined || data.message_author_id === client.user?.id;
      if (ours && !data.member?.user.bot) track(this.#take(data, true));
    });
    client.ws.on(
      GatewayDispatchEvents.MessageReactionRemove,
      (data: GatewayMessageReactionRemoveDispatchData) => track(this.#take(data, false)),
    );
    // A moderator cleared a message: Discord does not say whose votes those were.
    client.ws.on(GatewayDispatchEvents.MessageReactionRemoveAll, missed);
    client.ws.on(GatewayDispatchEvents.MessageReactionRemoveEmoji, missed);
  }

  async #take(data: ReactionData, added: boolean): Promise<void> {
    const { client, missed } = this.#parts;
    const handlers = this.#parts.handlers();
    if (handlers === null || data.user_id === client.user?.id) return;
    const member = await this.#member(data);
    const channel = client.channels.cache.get(data.channel_id);
    const name = channel && 'name' in channel ? (channel.name ?? data.channel_id) : data.channel_id;
    const stored =
      member !== null &&
      (await handlers.onReaction({
        channel: { externalId: data.channel_id, name },
        member,
        on: { messageId: data.message_id },
        emoji: emojiName(data.emoji),
        added,
      }));
    if (!stored) missed();
  }

  /** Returns who reacted; null when Discord can't be asked. */
  async #member(data: ReactionData): Promise<Party | null> {
    const { client, rest, log } = this.#parts;
    const externalId = data.user_id;
    if ('member' in data && data.member) {
      const { nick, user } = data.member;
      return { externalId, name: nick ?? user.global_name ?? user.username };
    }
    const known = client.guilds.cache.get(data.guild_id ?? '')?.members.cache.get(externalId)?.displayName;
    if (known !== undefined) return { externalId, name: known };
    try {
      const user = await rest.ask<RESTGetAPIUserResult>('get', Routes.user(externalId));
      return { externalId, name: user.global_name ?? user.username };
    } catch (error) {
      log.warn({ error }, 'could not find out who removed a reaction');
      return null;
    }
  }
}
