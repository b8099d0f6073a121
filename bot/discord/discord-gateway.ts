/** @file Discord as a gateway: events from its WebSocket, messages over its REST interface. */
import { randomUUID } from 'node:crypto';
import { type Client, Events, Status } from 'discord.js';
import type { Card } from '../../commands/card.ts';
import type { DiscordConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Channel } from '../../core/records.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { Gateway, GatewayHandlers, MessagePlace, Outage, Party, StandingReaction } from '../gateway.ts';
import { UnderWay } from '../under-way.ts';
import { BotRest, connect, createClient, disconnect, fatalClose } from './connection.ts';
import { Callbacks } from './callbacks.ts';
import { channelGone, isDiscord, postForbidden, translated } from './errors.ts';
import { DIRECT } from './events.ts';
import { Interactions } from './interactions.ts';
import { Limits } from './limits.ts';
import { Messages } from './messages.ts';
import { missingPermissions, VIEW_CHANNEL } from './permissions.ts';
import { ReactionEvents } from './reaction-events.ts';
import { Places } from './places.ts';
import { Reactions } from './reactions.ts';

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

export class DiscordGateway implements Gateway {
  readonly platform = 'discord';
  readonly #parts: DiscordParts;
  readonly #client: Client;
  readonly #rest: BotRest;
  readonly #limits: Limits;
  readonly #places: Places;
  readonly #messages: Messages;
  readonly #reactions: Reactions;
  readonly #reactionEvents: ReactionEvents;
  readonly #interactions: Interactions;
  readonly #underWay: UnderWay;
  /** Nonces whose last attempt failed: the message may stand all the same. */
  readonly #uncertain = new Set<string>();
  /** Codes of errors that the log has. */
  readonly #told = new Set<string>();
  #handlers: GatewayHandlers | null = null;
  #startedAt = 0;
  #gathering: NodeJS.Timeout | null = null;
  /** Messages to read again, by id, and whether others may have changed, too. */
  readonly #missedOn = new Map<string, MessagePlace>();
  #missedAny = false;

  /** @throws KronaError DISCORD_TOKEN_INVALID */
  constructor(parts: DiscordParts) {
    this.#parts = parts;
    const { config, blobs, log, clock = Date.now } = parts;
    const link = (hash: string, fileName: string) => parts.link(hash, fileName);
    this.#underWay = new UnderWay((error) => log.error({ error }, 'Discord: an event could not be handled'));
    this.#rest = new BotRest(config, log);
    this.#client = createClient(config, log);
    this.#places = new Places(this.#client);
    this.#limits = new Limits(this.#client);
    this.#messages = new Messages({
      rest: this.#rest,
      blobs,
      link,
      limitOf: (channelId) => this.#limits.of(channelId),
      forbidden: (channelId, cause) => this.#forbidden(channelId, cause),
      botId: () => this.#client.user?.id ?? null,
    });
    this.#reactions = new Reactions(this.#rest, log);
    this.#reactionEvents = new ReactionEvents({
      client: this.#client,
      rest: this.#rest,
      reactions: this.#reactions,
      places: this.#places,
      log,
      handlers: () => this.#handlers,
      track: (work) => this.#underWay.add(work),
      missed: (message) => this.#missed(message),
    });
    const post = (channelId: string, card: Card, nonce: string) => this.#post(channelId, card, nonce);
    this.#interactions = new Interactions({
      rest: this.#rest,
      callbacks: new Callbacks(config, log),
      places: this.#places,
      direct: config.direct ?? false,
      api: config.api,
      blobs,
      link,
      post,
      log,
      clock,
    });
  }

  editInterval(age: number): number {
    if (age < 10 * MINUTE) return 3_000;
    if (age < 30 * MINUTE) return 6_000;
    // After an hour Discord takes few edits of a message.
    return age < 55 * MINUTE ? 15_000 : 60_000;
  }

  isConnected(): boolean {
    const { shards } = this.#client.ws;
    return shards.size > 0 && shards.every(({ status }) => status === Status.Ready);
  }

  /** @throws KronaError DISCORD_TOKEN_INVALID, DISCORD_SHARDS_NEEDED, DISCORD_UNREACHABLE */
  async start(handlers: GatewayHandlers): Promise<void> {
    const { config, log } = this.#parts;
    const client = this.#client;
    this.#handlers = handlers;
    client.on(Events.InteractionCreate, (interaction) => {
      this.#limits.note(interaction);
      this.#underWay.add(this.#interactions.take(interaction, this.#handlers));
    });
    this.#places.listen();
    this.#reactionEvents.listen();
    this.#watchConnection();
    await connect(client, config.token);
    client.on(Events.ShardDisconnect, ({ code }) => {
      const error = fatalClose(code);
      if (error === null) log.error({ code }, 'Discord closed the connection for good');
      else this.#tellOnce(error);
    });
    // A server that was out of Discord's reach is back.
    client.on(Events.GuildAvailable, () => this.#missed());
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
    await this.#underWay.idle();
    await disconnect(this.#client);
  }

  post({ externalId, serverId }: Channel, card: Card, nonce: string): Promise<string> {
    // Nobody else is in direct messages to vote.
    return this.#post(externalId, card, nonce, serverId !== DIRECT);
  }

  async edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    await this.#messages.edit(channel.externalId, messageId, card).catch((error: unknown) => {
      throw this.#noted(error);
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

  invite({ externalId, serverId }: Channel, messageId: string, card: Card): void {
    if (serverId === DIRECT) return;
    this.#underWay.add(this.#reactions.invitations.invite(externalId, messageId, card));
  }

  async tellOutage({ card }: Outage, places: readonly Party[]): Promise<void> {
    await Promise.all(places.map(({ externalId }) => this.#post(externalId, card, randomUUID())));
  }

  async #post(channelId: string, card: Card, nonce: string, invites = true): Promise<string> {
    const young = Date.now() - this.#startedAt < LOOK_BACK_FOR;
    const lookBack = young || this.#uncertain.has(nonce);
    try {
      const messageId = await this.#messages.post(channelId, card, nonce, lookBack);
      this.#uncertain.delete(nonce);
      if (invites) this.#underWay.add(this.#reactions.invitations.invite(channelId, messageId, card));
      return messageId;
    } catch (error) {
      this.#uncertain.add(nonce);
      throw this.#noted(error);
    }
  }

  #watchConnection(): void {
    const { log } = this.#parts;
    this.#client.on(Events.Error, (error) => log.error({ error }, 'Discord client failed'));
    this.#client.on(Events.ShardError, (error, shard) => {
      // ShardDisconnect follows, and tells of the token in our words.
      if (error.message !== 'Authentication failed')
        log.warn({ error, shard }, 'connection to Discord failed');
    });
    const connected = new Set<number>();
    this.#client.on(Events.ShardReady, (shard) => {
      // A second time: the session could not be resumed, and Discord did not tell what happened in between.
      if (connected.has(shard)) this.#missed();
      connected.add(shard);
    });
  }

  /** Reactions may have changed without Krona being told. @param message - the only one; none: any */
  #missed(message?: MessagePlace): void {
    if (this.#handlers === null) return;
    if (message) this.#missedOn.set(message.messageId, message);
    else this.#missedAny = true;
    this.#gathering ??= setTimeout(() => this.#readMissed(), GATHER);
  }

  #readMissed(): void {
    this.#gathering = null;
    const messages: (MessagePlace | undefined)[] = [...this.#missedOn.values()];
    if (this.#missedAny) messages.push(undefined);
    this.#missedOn.clear();
    this.#missedAny = false;
    const handlers = this.#handlers;
    if (handlers === null) return;
    this.#underWay.add(
      (async () => {
        for (const message of messages) await handlers.onMissed(message);
      })(),
    );
  }

  /** Returns an error, after logging one that is the same for every message, once. */
  #noted(error: unknown): unknown {
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
    // With the server that removed the bot, the client forgets the channels.
    if (!channel || !('guild' in channel))
      return hidden ? channelGone(cause) : postForbidden(channelId, [], cause);
    const me = channel.guild.members.me;
    const granted = me && channel.permissionsFor(me);
    const missing = granted ? missingPermissions(granted, channel.isThread()) : [];
    // The answer can come before the news that the permission was removed.
    if (hidden && !missing.includes(VIEW_CHANNEL)) missing.unshift(VIEW_CHANNEL);
    return postForbidden(channel.name, missing, cause);
  }
}
