/** @file Reactions at Discord: the numbers that invite members to vote, and members' votes. Reactions of bots don't count. */
import {
  type APIEmoji,
  type APIReaction,
  ReactionType,
  type RESTGetAPIChannelMessageReactionUsersResult,
  type RESTGetAPIChannelMessageResult,
  Routes,
} from 'discord.js';
import type { StandingReaction } from '../gateway.ts';
import { Invitations } from '../invitations.ts';
import type { Log } from '../../core/log.ts';
import type { BotRest } from './connection.ts';
import { isDiscord } from './errors.ts';

/** The message is gone, has its 20 emoji, is in an archived thread, or its channel doesn't let Krona react. */
const TAKES_NONE = [
  'unknownMessage',
  'unknownChannel',
  'tooManyReactions',
  'threadArchived',
  'reactionBlocked',
] as const;
/** Users per request. */
const PAGE = 100;

/** A server's own emoji keeps its id, so that its name is not taken for another emoji's. */
export const emojiName = ({ id, name }: Pick<APIEmoji, 'id' | 'name'>): string =>
  id === null ? (name ?? '') : `${name ?? ''}:${id}`;

/** A member's reaction on a message. */
interface MemberReaction {
  readonly channelId: string;
  readonly messageId: string;
  readonly emoji: Pick<APIEmoji, 'id' | 'name'>;
  readonly userId: string;
}

export class Reactions {
  readonly #rest: BotRest;
  readonly invitations: Invitations;

  constructor(rest: BotRest, log: Log) {
    this.#rest = rest;
    this.invitations = new Invitations((...where) => this.#put(...where), log);
  }

  async #put(channelId: string, messageId: string, emoji: string): Promise<void> {
    const route = Routes.channelMessageOwnReaction(channelId, messageId, encodeURIComponent(emoji));
    try {
      await this.#rest.put(route);
    } catch (error) {
      if (!isDiscord(error, ...TAKES_NONE)) throw error;
    }
  }

  /** Members' reactions on a message. */
  async standing(channelId: string, messageId: string): Promise<StandingReaction[]> {
    const { reactions = [] } = await this.#rest.ask<RESTGetAPIChannelMessageResult>(
      'get',
      Routes.channelMessage(channelId, messageId),
    );
    const found: StandingReaction[] = [];
    for (const reaction of reactions) {
      const { burst, normal } = reaction.count_details ?? { normal: reaction.count, burst: 0 };
      if (reaction.me) this.invitations.note(channelId, messageId, emojiName(reaction.emoji));
      if (normal > (reaction.me ? 1 : 0))
        found.push(...(await this.#users(channelId, messageId, reaction, ReactionType.Normal)));
      if (burst > 0) found.push(...(await this.#users(channelId, messageId, reaction, ReactionType.Super)));
    }
    return found;
  }

  /** Whether a member's reaction stands in one of its two forms. */
  async stands(
    { channelId, messageId, emoji, userId }: MemberReaction,
    type: ReactionType,
  ): Promise<boolean> {
    const route = Routes.channelMessageReaction(channelId, messageId, encodeURIComponent(emojiName(emoji)));
    // Users come in the order of their ids.
    const query = new URLSearchParams({
      limit: '1',
      type: String(type),
      after: String(BigInt(userId) - 1n),
    });
    try {
      const [user] = await this.#rest.ask<RESTGetAPIChannelMessageReactionUsersResult>('get', route, {
        query,
      });
      return user?.id === userId;
    } catch (error) {
      if (isDiscord(error, 'unknownEmoji', 'unknownMessage', 'unknownChannel')) return false;
      throw error;
    }
  }

  async #users(
    channelId: string,
    messageId: string,
    { emoji }: APIReaction,
    type: ReactionType,
  ): Promise<StandingReaction[]> {
    const route = Routes.channelMessageReaction(channelId, messageId, encodeURIComponent(emojiName(emoji)));
    const found: StandingReaction[] = [];
    for (let after = '0'; ;) {
      const query = new URLSearchParams({ limit: String(PAGE), type: String(type), after });
      const users = await this.#rest.ask<RESTGetAPIChannelMessageReactionUsersResult>('get', route, {
        query,
      });
      for (const { id, bot, global_name, username } of users)
        if (!bot)
          found.push({
            member: { externalId: id, name: global_name ?? username },
            emoji: emojiName(emoji),
          });
      const last = users.at(-1);
      if (last === undefined || users.length < PAGE) return found;
      after = last.id;
    }
  }
}
