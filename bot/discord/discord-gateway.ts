/** @file Discord as a gateway: events from its WebSocket, messages over its REST interface. */
import {
  type Client,
  Events,
  GatewayDispatchEvents,
  type GatewayMessageReactionAddDispatchData,
  type GatewayMessageReactionRemoveDispatchData,
  type RESTGetAPIUserResult,
  Routes,
} from 'discord.js';
import type { Card } from '../../commands/card.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { DiscordConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channel } from '../../core/records.ts';
import type { Gateway, GatewayHandlers, Party, StandingReaction } from '../gateway.ts';
import type { Log } from '../../core/log.ts';
import { BotRest, connect, createClient, disconnect, fatalClose } from './connection.ts';
import { channelGone, isDiscord, postForbidden, translated } from './errors.ts';
import { Interactions } from './interactions.ts';
import { Messages } from './messages.ts';
import { missingPermissions, VIEW_CHANNEL } from './permissions.ts';
import { emojiName, Reactions } from './reactions.ts';
import { Limits } from './limits.ts';

const MINUTE = 60_000;
/** After a start, messages of an earlier process are looked for in the channel before one is posted, ms. */
const LOOK_BACK_FOR = 10 * MINUTE;
/** Several reasons to read the platform's state again within this time are one, ms. */
const GATHER = 2_000;

/** How long a stop waits for what is being sent, ms. */
const PATIENCE = 5_000;

export interface DiscordParts {
  readonly config: DiscordConfig;
  readonly blobs: BlobStore;
  readonly log: Log;
  /** The signed link to a blob, with the bot's public address. */
  link(hash: string, fileName: string): string;
  /** Milliseconds since the epoch; Date.now by default. */
  readonly clock?: () => number;
}

type ReactionData = GatewayMessageReactionAddDispatchData | GatewayMessageReactionRemoveDispatchData;

export class DiscordGateway implements Gateway {
  readonly platform = 'discord';
  readonly #parts: DiscordParts;
  readonly #client: Client;
  readonly #rest: BotRest;
  readonly #limits: Limits;
  readonly #messages: Messages;
  readonly #reactions: Reactions;
  readonly #interactions: Interactions;
  readonly #underWay = new Set<Promise<unknown>>();
  /** Nonces whose last attempt failed: the message may stand all the same. */
  readonly #uncertain = new Set<string>();
  /** Codes of errors that the log has. */
  readonly #told = new Set<string>();
  #handlers: GatewayHandlers | null = null;
  #startedAt = 0;
  #gathering: NodeJS.Timeout | null = null;

  /** @throws KronaError DISCORD_TOKEN_INVALID */
  constructor(parts: DiscordParts) {
    this.#parts = parts;
    const { config, blobs, log, clock = Date.now } = parts;
    const link = (hash: string, fileName: string) => parts.link(hash, fileName);
    this.#rest = new BotRest(config);
    this.#client = createClient(config);
    this.#limits = new Limits(this.#client);
    this.#messages = new Messages({
      rest: this.#rest,
      blobs,
      link,
      limitOf: (channelId) => this.#limits.of(channelId),
      forbidden: (channelId, cause) => this.#forbidden(channelId, cause),
      botId: () => this.#client.user!.id,
    });
    this.#reactions = new Reactions(this.#rest, log);
    const post = (channelId: string, card: Card, nonce: string) => this.#post(channelId, card, nonce);
    this.#interactions = new Interactions({ rest: this.#rest, blobs, link, post, log, clock });
  }

  editInterval(age: number): number {
    if (age < 10 * MINUTE) return 3_000;
    if (age < 30 * MINUTE) return 6_000;
    // After an hour Discord takes few edits of a message.
    return age < 55 * MINUTE ? 15_000 : 60_000;
  }

  /** @throws KronaError DISCORD_TOKEN_INVALID, DISCORD_SHARDS_NEEDED, DISCORD_UNREACHABLE */
  async start(handlers: GatewayHandlers): Promise<void> {
    const { config, log } = this.#parts;
    const client = this.#client;
    this.#handlers = handlers;
    client.on(Events.InteractionCreate, (interaction) => {
      this.#limits.note(interaction);
      this.#track(this.#interactions.take(interaction, this.#handlers));
    });
    this.#listenToReactions();
    client.on(Events.Error, (error) => log.error({ error }, 'Discord client failed'));
    client.on(Events.ShardError, (error, shard) => {
      // ShardDisconnect follows, and tells of the token in our words.
      if (error.message !== 'Authentication failed')
        log.warn({ error, shard }, 'connection to Discord failed');
    });
    const connected = new Set<number>();
    client.on(Events.ShardReady, (shard) => {
      // A second time: the session could not be resumed, and what happened meanwhile was not told.
      if (connected.has(shard)) this.#missed();
      connected.add(shard);
    });
    await connect(client, config.token);
    client.on(Events.ShardDisconnect, ({ code }) => {
      const error = fatalClose(code);
      if (error === null) log.error({ code }, 'Discord closed the connection for good');
      else this.#tellOnce(error);
    });
    this.#startedAt = Date.now();
    log.info({ servers: client.guilds.cache.size, shards: client.ws.shards.size }, 'on Discord');
  }

  async stop(): Promise<void> {
    // New events are told to come again until the connection is closed.
    this.#handlers = null;
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#reactions.invitations.stop();
    // The records know what was not shown, and nonces what was.
    setTimeout(() => this.#rest.end(), PATIENCE).unref();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    await disconnect(this.#client);
  }

  post(channel: Channel, card: Card, nonce: string): Promise<string> {
    return this.#post(channel.externalId, card, nonce);
  }

  async edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    await this.#messages.edit(channel.externalId, messageId, card).catch((error: unknown) => {
      throw this.#seenTo(error);
    });
    this.invite(channel, messageId, card);
  }

  remove(channel: Channel, messageId: string): Promise<void> {
    return this.#messages.remove(channel.externalId, messageId);
  }

  async readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    try {
      return await this.#reactions.standing(channel.externalId, messageId);
    } catch (error) {
      throw translated(error, true, (cause) => this.#forbidden(channel.externalId, cause));
    }
  }

  invite({ externalId }: Channel, messageId: string, card: Card): void {
    this.#track(this.#reactions.invitations.invite(externalId, messageId, card));
  }

  async #post(channelId: string, card: Card, nonce: string): Promise<string> {
    const young = Date.now() - this.#startedAt < LOOK_BACK_FOR;
    const lookBack = young || this.#uncertain.has(nonce);
    try {
      const messageId = await this.#messages.post(channelId, card, nonce, lookBack);
      this.#uncertain.delete(nonce);
      this.#track(this.#reactions.invitations.invite(channelId, messageId, card));
      return messageId;
    } catch (error) {
      this.#uncertain.add(nonce);
      throw this.#seenTo(error);
    }
  }

  /**
   * Reactions as the packets tell them: so they come for messages of any age, and say whose message it is, which
   * the library's own events leave out.
   */
  #listenToReactions(): void {
    const { ws } = this.#client;
    ws.on(GatewayDispatchEvents.MessageReactionAdd, (data: GatewayMessageReactionAddDispatchData) => {
      const ours = data.message_author_id === undefined || data.message_author_id === this.#client.user?.id;
      if (ours && !data.member?.user.bot) this.#track(this.#react(data, true));
    });
    ws.on(GatewayDispatchEvents.MessageReactionRemove, (data: GatewayMessageReactionRemoveDispatchData) =>
      this.#track(this.#react(data, false)),
    );
    // A moderator cleared a message: whose votes those were is not told.
    ws.on(GatewayDispatchEvents.MessageReactionRemoveAll, () => this.#missed());
    ws.on(GatewayDispatchEvents.MessageReactionRemoveEmoji, () => this.#missed());
  }

  async #react(data: ReactionData, added: boolean): Promise<void> {
    const handlers = this.#handlers;
    if (handlers === null || data.user_id === this.#client.user?.id) return;
    const member = await this.#member(data);
    const channel = this.#client.channels.cache.get(data.channel_id);
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
    if (!stored) this.#missed();
  }

  /** Who reacted; null when Discord does not tell now. */
  async #member(data: ReactionData): Promise<Party | null> {
    const externalId = data.user_id;
    if ('member' in data && data.member) {
      const { nick, user } = data.member;
      return { externalId, name: nick ?? user.global_name ?? user.username };
    }
    const known = this.#client.guilds.cache
      .get(data.guild_id ?? '')
      ?.members.cache.get(externalId)?.displayName;
    if (known !== undefined) return { externalId, name: known };
    try {
      const user = (await this.#rest.get(Routes.user(externalId))) as RESTGetAPIUserResult;
      return { externalId, name: user.global_name ?? user.username };
    } catch (error) {
      this.#parts.log.warn({ error }, 'could not learn who took a reaction away');
      return null;
    }
  }

  /** Reactions may have changed without our being told. */
  #missed(): void {
    if (this.#gathering !== null || this.#handlers === null) return;
    this.#gathering = setTimeout(() => {
      this.#gathering = null;
      const reading = this.#handlers?.onMissed();
      if (reading) this.#track(reading);
    }, GATHER);
  }

  /** An error that is the same for every message is told here, and no more than once. */
  #seenTo(error: unknown): unknown {
    if (error instanceof KronaError && error.code === 'DISCORD_TOKEN_INVALID') this.#tellOnce(error);
    return error;
  }

  #tellOnce({ code, message }: KronaError): void {
    if (!this.#told.has(code)) this.#parts.log.error({ code }, `${code}: ${message}`);
    this.#told.add(code);
  }

  #forbidden(channelId: string, cause: unknown): KronaError {
    const hidden = isDiscord(cause, 'missingAccess');
    const channel = this.#client.channels.cache.get(channelId);
    // With the server that it was put out of, the client forgets the channels.
    if (!channel || !('guild' in channel))
      return hidden ? channelGone(cause) : postForbidden(channelId, [], cause);
    const me = channel.guild.members.me;
    const granted = me && channel.permissionsFor(me);
    const missing = granted ? missingPermissions(granted, channel.isThread()) : [];
    // The answer can come before the news that the permission was taken away.
    if (hidden && !missing.includes(VIEW_CHANNEL)) missing.unshift(VIEW_CHANNEL);
    return postForbidden(channel.name, missing, cause);
  }

  #track(work: Promise<unknown>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.#parts.log.error({ error }, 'Discord: an event could not be dealt with'),
      )
      .finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }
}
