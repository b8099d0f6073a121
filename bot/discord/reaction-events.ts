/**
 * @file Reactions as Discord's packets tell them: so they come for messages of any age, and say whose message it is,
 * which the library's own events leave out.
 */
import {
  type Client,
  GatewayDispatchEvents,
  type GatewayMessageReactionAddDispatchData,
  type GatewayMessageReactionRemoveDispatchData,
  ReactionType,
  type RESTGetAPIUserResult,
  Routes,
} from 'discord.js';
import type { Log } from '../../core/log.ts';
import type { GatewayHandlers, MessagePlace, Party, ReactionEvent } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import type { BotRest } from './connection.ts';
import type { Places } from './places.ts';
import { emojiName, type Reactions } from './reactions.ts';

type ReactionData = GatewayMessageReactionAddDispatchData | GatewayMessageReactionRemoveDispatchData;

export interface ReactionEventsParts {
  readonly client: Client;
  readonly rest: BotRest;
  readonly reactions: Reactions;
  readonly places: Places;
  readonly log: Log;
  /** null while the bot stops. */
  readonly handlers: () => GatewayHandlers | null;
  /** Lets work go on in the background. */
  readonly track: (work: Promise<unknown>) => void;
  /** Reactions on a message may have changed without Krona being told. */
  readonly missed: (message: MessagePlace) => void;
}

/** Bots have no vote. */
const BOT = 'bot';

/** Where a reaction was. */
interface Spot {
  readonly channel_id: string;
  readonly message_id: string;
  readonly guild_id?: string;
}

export class ReactionEvents {
  readonly #parts: ReactionEventsParts;
  readonly #lanes = new Lanes();

  constructor(parts: ReactionEventsParts) {
    this.#parts = parts;
  }

  listen(): void {
    const { client, missed } = this.#parts;
    client.ws.on(GatewayDispatchEvents.MessageReactionAdd, (data: GatewayMessageReactionAddDispatchData) => {
      const ours = data.message_author_id === undefined || data.message_author_id === client.user?.id;
      if (ours && !data.member?.user.bot) this.#take(data, true);
    });
    client.ws.on(
      GatewayDispatchEvents.MessageReactionRemove,
      (data: GatewayMessageReactionRemoveDispatchData) => this.#take(data, false),
    );
    // A message was cleared: Discord does not say whose message it is, or whose votes those were.
    const cleared = (data: Spot) => missed(this.#messageOf(data));
    client.ws.on(GatewayDispatchEvents.MessageReactionRemoveAll, cleared);
    client.ws.on(GatewayDispatchEvents.MessageReactionRemoveEmoji, cleared);
  }

  /** A member's reactions are taken in their order, however long it takes to know their name. */
  #take(data: ReactionData, added: boolean): void {
    const { client, track } = this.#parts;
    if (data.user_id === client.user?.id) return;
    track(
      this.#lanes.run(`${data.channel_id} ${data.user_id}`, () =>
        added ? this.#added(data) : this.#removed(data),
      ),
    );
  }

  async #added(data: ReactionData): Promise<void> {
    const member = await this.#member(data);
    if (member === null) this.#parts.missed(this.#messageOf(data));
    else if (member !== BOT) await this.#hand(data, { member, added: true });
  }

  async #removed(data: ReactionData): Promise<void> {
    const { channel_id: channelId, message_id: messageId, user_id: userId, emoji, type } = data;
    const other = type === ReactionType.Super ? ReactionType.Normal : ReactionType.Super;
    await this.#hand(data, {
      member: { externalId: userId, name: userId },
      added: false,
      // A member can react with one emoji twice: as everybody does, and with a super reaction.
      stillStands: () => this.#parts.reactions.stands({ channelId, messageId, emoji, userId }, other),
    });
  }

  async #hand(
    data: ReactionData,
    what: Pick<ReactionEvent, 'member' | 'added' | 'stillStands'>,
  ): Promise<void> {
    const handlers = this.#parts.handlers();
    if (handlers === null) return;
    const { channel, messageId } = this.#messageOf(data);
    const stored = await handlers.onReaction({
      channel,
      on: { messageId },
      emoji: emojiName(data.emoji),
      ...what,
    });
    if (!stored) this.#parts.missed({ channel, messageId });
  }

  #messageOf({ channel_id: channelId, message_id: messageId, guild_id: guildId }: Spot): MessagePlace {
    return { channel: this.#parts.places.of(channelId, guildId), messageId };
  }

  /** Returns who reacted; null when Discord can't be asked, BOT for any bot. */
  async #member(data: ReactionData): Promise<Party | typeof BOT | null> {
    const { client, rest, log } = this.#parts;
    const externalId = data.user_id;
    if ('member' in data && data.member) {
      const { nick, user } = data.member;
      return { externalId, name: nick ?? user.global_name ?? user.username };
    }
    const known = client.guilds.cache.get(data.guild_id ?? '')?.members.cache.get(externalId);
    if (known !== undefined) return known.user.bot ? BOT : { externalId, name: known.displayName };
    try {
      const user = await rest.ask<RESTGetAPIUserResult>('get', Routes.user(externalId));
      return user.bot ? BOT : { externalId, name: user.global_name ?? user.username };
    } catch (error) {
      log.warn({ error }, 'could not find out who reacted');
      return null;
    }
  }
}
