/**
 * @file Where something happens on Discord: the channel with its server and, of a thread, the channel that it is in. The
 * client does not know every thread, such as one that was archived when it connected, but an interaction names its own.
 */
import {
  type Channel,
  ChannelType,
  type Client,
  GatewayDispatchEvents,
  type GatewayInteractionCreateDispatchData,
} from 'discord.js';
import type { Party, Place } from '../gateway.ts';
import { RecentMap } from '../../core/recent.ts';

/** Threads whose channel is remembered. */
const MOST_REMEMBERED = 5_000;

const THREADS: readonly ChannelType[] = [
  ChannelType.PublicThread,
  ChannelType.PrivateThread,
  ChannelType.AnnouncementThread,
];

interface Thread {
  readonly name: string;
  readonly parentId: string | null;
}

export class Places {
  readonly #client: Client;
  readonly #told = new RecentMap<string, Thread>(MOST_REMEMBERED);

  constructor(client: Client) {
    this.#client = client;
  }

  /** Reads the packets of interactions, which come before the interactions themselves. */
  listen(): void {
    this.#client.ws.on(
      GatewayDispatchEvents.InteractionCreate,
      ({ channel }: GatewayInteractionCreateDispatchData) => {
        if (channel === undefined || !THREADS.includes(channel.type)) return;
        const name = 'name' in channel ? channel.name : null;
        const parentId = 'parent_id' in channel ? channel.parent_id : null;
        this.#told.set(channel.id, { name: name ?? channel.id, parentId: parentId ?? null });
      },
    );
  }

  /** @param guildId - of the event; null where it does not say */
  of(channelId: string, guildId: string | null | undefined): Place {
    const channel = this.#client.channels.cache.get(channelId);
    const thread = this.#thread(channelId);
    const home = thread === null ? channel : this.#client.channels.cache.get(thread.parentId ?? '');
    return {
      externalId: channelId,
      name: thread?.name ?? nameOf(channel) ?? channelId,
      ageRestricted: home && 'nsfw' in home ? home.nsfw === true : undefined,
      parent: thread?.parentId ? this.#parent(thread.parentId) : undefined,
      serverId: guildId ?? (channel && 'guildId' in channel ? (channel.guildId ?? undefined) : undefined),
    };
  }

  isThread(channelId: string): boolean {
    return this.#thread(channelId) !== null;
  }

  #thread(channelId: string): Thread | null {
    const channel = this.#client.channels.cache.get(channelId);
    if (channel?.isThread()) return { name: channel.name, parentId: channel.parentId };
    return this.#told.get(channelId) ?? null;
  }

  #parent(externalId: string): Party {
    return { externalId, name: nameOf(this.#client.channels.cache.get(externalId)) ?? externalId };
  }
}

const nameOf = (channel: Channel | undefined): string | undefined =>
  channel && 'name' in channel && typeof channel.name === 'string' ? channel.name : undefined;
