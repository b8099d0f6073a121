/**
 * @file How large a file can be in a channel: as its newest interaction said, else by the boosts of its server.
 * https://docs.discord.com/developers/interactions/receiving-and-responding (attachment_size_limit)
 */
import { type BaseInteraction, type Client, GuildPremiumTier } from 'discord.js';
import { RecentMap } from '../../core/recent.ts';
import { DEFAULT_LIMIT } from './uploads.ts';

/** Channels whose limit is remembered. */
const MOST_REMEMBERED = 1_000;

/** Bytes of one file in the answer to an interaction. */
export const answerLimit = ({ attachmentSizeLimit }: Pick<BaseInteraction, 'attachmentSizeLimit'>): number =>
  // The library's types promise it, but an event can come without it.
  attachmentSizeLimit ?? DEFAULT_LIMIT;

export class Limits {
  readonly #client: Client;
  readonly #told = new RecentMap<string, number>(MOST_REMEMBERED);

  constructor(client: Client) {
    this.#client = client;
  }

  /** Remembers the limit that an interaction names. */
  note({ channelId, attachmentSizeLimit }: BaseInteraction): void {
    if (channelId === null || attachmentSizeLimit === undefined) return;
    this.#told.set(channelId, attachmentSizeLimit);
  }

  /** Bytes of one file in a message of the bot's own. */
  of(channelId: string): number {
    return this.#told.get(channelId) ?? this.#byBoosts(channelId);
  }

  #byBoosts(channelId: string): number {
    const channel = this.#client.channels.cache.get(channelId);
    const tier = channel && 'guild' in channel ? channel.guild.premiumTier : GuildPremiumTier.None;
    if (tier === GuildPremiumTier.Tier3) return 10 * DEFAULT_LIMIT;
    return tier === GuildPremiumTier.Tier2 ? 5 * DEFAULT_LIMIT : DEFAULT_LIMIT;
  }
}
