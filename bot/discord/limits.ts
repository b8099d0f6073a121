/**
 * @file How large a file may be in a channel: as the newest interaction there told, else by the boosts of its server.
 * https://docs.discord.com/developers/interactions/receiving-and-responding (attachment_size_limit)
 */
import { type BaseInteraction, type Client, GuildPremiumTier } from 'discord.js';
import { DEFAULT_LIMIT } from './uploads.ts';

/** Channels whose limit is remembered. */
const MOST_REMEMBERED = 1_000;

/** Bytes of one file in the answer to an interaction. */
export const answerLimit = ({ attachmentSizeLimit }: Pick<BaseInteraction, 'attachmentSizeLimit'>): number =>
  // Whatever the library's types say, an event can come without it.
  attachmentSizeLimit ?? DEFAULT_LIMIT;

export class Limits {
  readonly #client: Client;
  readonly #told = new Map<string, number>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Takes note of what an interaction tells. */
  note({ channelId, attachmentSizeLimit }: BaseInteraction): void {
    if (channelId === null || attachmentSizeLimit === undefined) return;
    this.#told.delete(channelId);
    this.#told.set(channelId, attachmentSizeLimit);
    if (this.#told.size > MOST_REMEMBERED) this.#told.delete(this.#told.keys().next().value!);
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
