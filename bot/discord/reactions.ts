/** @file Reactions at Discord: the numbers that invite to vote, and what stands on a message. Those of bots do not count. */
import {
  type APIEmoji,
  type APIReaction,
  ReactionType,
  type REST,
  type RESTGetAPIChannelMessageReactionUsersResult,
  type RESTGetAPIChannelMessageResult,
  Routes,
} from 'discord.js';
import type { Card } from '../../commands/card.ts';
import { invitingEmoji } from '../../commands/votes/emoji.ts';
import type { StandingReaction } from '../gateway.ts';
import type { Log } from '../log.ts';
import { isDiscord } from './errors.ts';

/** Users that one request tells. */
const PAGE = 100;
/** Messages that are remembered to have their numbers. */
const MOST_REMEMBERED = 1000;

/** A server's own emoji keeps its id, so that its name is not taken for another emoji's. */
export const emojiName = ({ id, name }: Pick<APIEmoji, 'id' | 'name'>): string =>
  id === null ? (name ?? '') : `${name ?? ''}:${id}`;

export class Reactions {
  readonly #rest: REST;
  readonly #log: Log;
  /** How many numbers are on a message. */
  readonly #numbered = new Map<string, number>();

  constructor(rest: REST, log: Log) {
    this.#rest = rest;
    this.#log = log;
  }

  /** Puts the numbers of a card's pictures on its message. Without them members can still vote: failures are logged. */
  async invite(channelId: string, messageId: string, { votesOn, pictures = [] }: Card): Promise<void> {
    const there = this.#numbered.get(messageId) ?? 0;
    if (votesOn === undefined || pictures.length <= there) return;
    this.#numbered.set(messageId, pictures.length);
    if (this.#numbered.size > MOST_REMEMBERED) this.#numbered.delete(this.#numbered.keys().next().value!);
    try {
      for (const emoji of invitingEmoji(pictures.length).slice(there))
        await this.#rest.put(
          Routes.channelMessageOwnReaction(channelId, messageId, encodeURIComponent(emoji)),
        );
    } catch (error) {
      // A message that was deleted meanwhile, or that has its 20 emoji, needs no more.
      if (isDiscord(error, 'unknownMessage', 'unknownChannel', 'tooManyReactions')) return;
      this.#log.warn({ error, messageId }, 'could not put the numbers to vote with on a message');
    }
  }

  /** Members' reactions on a message. */
  async standing(channelId: string, messageId: string): Promise<StandingReaction[]> {
    const { reactions = [] } = (await this.#rest.get(
      Routes.channelMessage(channelId, messageId),
    )) as RESTGetAPIChannelMessageResult;
    const found: StandingReaction[] = [];
    for (const reaction of reactions) {
      const { burst, normal } = reaction.count_details;
      if (normal > (reaction.me ? 1 : 0))
        found.push(...(await this.#users(channelId, messageId, reaction, ReactionType.Normal)));
      if (burst > 0) found.push(...(await this.#users(channelId, messageId, reaction, ReactionType.Super)));
    }
    return found;
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
      const users = (await this.#rest.get(route, { query })) as RESTGetAPIChannelMessageReactionUsersResult;
      for (const { id, bot, global_name, username } of users)
        if (!bot)
          found.push({
            member: { externalId: id, name: global_name ?? username },
            emoji: emojiName(emoji),
          });
      if (users.length < PAGE) return found;
      after = users.at(-1)!.id;
    }
  }
}
