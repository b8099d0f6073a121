/**
 * @file The discord.js client and REST as Krona uses them: the fewest intents, almost nothing cached, and errors that
 * come at once where waiting would not help.
 */
import {
  Client,
  type ClientOptions,
  Events,
  GatewayCloseCodes,
  GatewayIntentBits,
  type InternalRequest,
  Options,
  REST,
  type RequestData,
  type RESTOptions,
  type RouteLike,
  Status,
} from 'discord.js';
import type { DiscordConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { stopping } from '../stopping.ts';
import { CODE, tokenInvalid } from './errors.ts';
import { RateLimits, waitable } from './rate-limits.ts';

/** The global fetch, with the types of the library's own version of it. */
const fetchLike = fetch as unknown as RESTOptions['makeRequest'];

type MakeRequest = RESTOptions['makeRequest'];

/**
 * Sends requests so that the library understands the limits among the answers. “No more edits of this old message” has
 * the status of a rate limit, which it would wait for and repeat without end; with another status it comes back as an
 * error. A limit without a time gets one.
 */
function requestMaker(log: Log | null): MakeRequest {
  const limits = new RateLimits(log);
  return async (url, init) => {
    const response = await fetchLike(url, init);
    const headers = waitable(new Headers([...response.headers]));
    if (response.status !== 429) {
      limits.passed();
      const { status, statusText, body } = response;
      return new Response(body as BodyInit | null, {
        status,
        statusText,
        headers,
      }) as unknown as typeof response;
    }
    const body = await response.text();
    const code = Number(/"code":\s*(\d+)/.exec(body)?.[1]);
    const isStale = code === CODE.tooManyEditsOfOldMessage;
    if (!isStale) headers.set('retry-after', String(limits.pause(headers.get('retry-after'), body)));
    return new Response(body, { status: isStale ? 400 : 429, headers }) as unknown as typeof response;
  };
}

const carriesToken = (headers: Parameters<RESTOptions['makeRequest']>[1]['headers']): boolean =>
  Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');

export const restOptions = ({ api }: DiscordConfig, log: Log | null): Partial<RESTOptions> => ({
  makeRequest: requestMaker(log),
  ...(api !== null && { api: api.replace(/\/+$/, '') }),
});

/** A smaller step of the wall clock does no harm, ms. */
const CLOCK_STEP = 500;

/** REST with the bot's token, apart from the client's: it outlives the client, until it is ended. */
export class BotRest extends REST {
  readonly #refusals = new Set<(error: KronaError) => void>();
  #ended = false;
  /** The wall clock's lead over the monotonic one, ms. */
  #lead = Date.now() - performance.now();

  /** @throws KronaError DISCORD_TOKEN_INVALID */
  constructor(config: DiscordConfig, log: Log | null = null) {
    if (!/^[\w.-]+$/.test(config.token)) throw tokenInvalid();
    super(restOptions(config, log));
    this.setToken(config.token);
    const send = requestMaker(log);
    this.options.makeRequest = async (url, init) => {
      // Its caller has been told that it was not sent.
      if (this.#ended && carriesToken(init.headers)) throw stopping();
      return send(url, init);
    };
  }

  /**
   * Ends all waiting, as for a rate limit, with STOPPING, and sends nothing more. Answers to interactions, which don't
   * carry the bot's token, go on: no record keeps those.
   */
  end(): void {
    this.#ended = true;
    for (const refuse of this.#refusals) refuse(stopping());
  }

  /** Does one request. @typeParam T - what Discord documents as the answer */
  async ask<T>(
    method: 'get' | 'post' | 'patch' | 'put',
    route: RouteLike,
    data: RequestData = {},
  ): Promise<T> {
    // The library leaves answers untyped.
    return (await this[method](route, data)) as T;
  }

  /** The library ends its limits by the wall clock: set back an hour, they would last that much longer. */
  #followClock(): void {
    const lead = Date.now() - performance.now();
    if (lead < this.#lead - CLOCK_STEP) {
      this.handlers.clear();
      this.globalReset = -1;
      this.globalDelay = null;
    }
    this.#lead = lead;
  }

  override request(options: InternalRequest): Promise<unknown> {
    this.#followClock();
    if (options.auth === false) return super.request(options);
    return new Promise((resolve, reject) => {
      this.#refusals.add(reject);
      void super
        .request(options)
        .then(resolve, reject)
        .finally(() => this.#refusals.delete(reject));
    });
  }
}

/**
 * How long the client waits for each further server at the start, ms: until then it holds back all events, and a server
 * that Discord can't reach never comes. One that comes later is heard from then on.
 */
const WAIT_FOR_SERVERS = 1_000;

export function createClient(config: DiscordConfig, log: Log): Client {
  const { shards } = config;
  const sharding: Pick<ClientOptions, 'shards' | 'shardCount'> =
    shards === null ? {} : shards === 'auto' ? { shards } : { shardCount: shards };
  const client = new Client({
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessageReactions],
    makeCache: Options.cacheWithLimits({
      ...Options.DefaultMakeCacheSettings,
      MessageManager: 0,
      ReactionManager: 0,
      ReactionUserManager: 0,
      UserManager: 1000,
      GuildMemberManager: { maxSize: 200, keepOverLimit: (member) => member.id === member.client.user.id },
      PresenceManager: 0,
      VoiceStateManager: 0,
      GuildEmojiManager: 0,
      GuildStickerManager: 0,
      GuildScheduledEventManager: 0,
    }),
    allowedMentions: { parse: [] },
    rest: restOptions(config, log),
    waitGuildTimeout: WAIT_FOR_SERVERS,
    ...sharding,
  });
  dropUnreadable(client.ws, log);
  return client;
}

/** How the library takes in what comes on a connection, which it keeps to itself. */
interface PacketHandling {
  handlePacket(...given: unknown[]): boolean;
}

/** Drops events that the library, or a listener, can't read: it throws where nobody catches it, which would end the process. */
function dropUnreadable(ws: Client['ws'], log: Log): void {
  const guarded =
    <Given extends unknown[]>(work: (...given: Given) => boolean) =>
    (...given: Given): boolean => {
      try {
        return work(...given);
      } catch (error) {
        log.error({ error }, 'Discord: an event could not be read');
        return false;
      }
    };
  const handling = ws as unknown as PacketHandling;
  handling.handlePacket = guarded(handling.handlePacket.bind(ws));
  ws.emit = guarded(ws.emit.bind(ws));
}

/** What a final close of the connection means; null when the client connects again. */
export function fatalClose(code: number): KronaError | null {
  // The library types the code of a close as a plain number.
  switch (code as GatewayCloseCodes) {
    case GatewayCloseCodes.AuthenticationFailed:
      return tokenInvalid();
    case GatewayCloseCodes.ShardingRequired:
      return new KronaError(
        'DISCORD_SHARDS_NEEDED',
        'The bot is in too many servers for one connection. Set KRONA_DISCORD_SHARDS=auto.',
      );
    case GatewayCloseCodes.InvalidShard:
      return new KronaError(
        'DISCORD_SHARDS_NEEDED',
        'Discord refuses this number of shards. Set KRONA_DISCORD_SHARDS=auto.',
      );
    default:
      return null;
  }
}

/**
 * Connects the client; done when it knows its servers.
 *
 * @throws KronaError DISCORD_TOKEN_INVALID, DISCORD_SHARDS_NEEDED, DISCORD_UNREACHABLE
 */
export async function connect(client: Client, token: string): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    client.once(Events.ClientReady, () => resolve());
    client.on(Events.ShardDisconnect, ({ code }) =>
      reject(fatalClose(code) ?? unreachable(new Error(`gateway closed with ${code}`))),
    );
  });
  // The first of the two failures is reported; the other must not end the process.
  ready.catch(() => undefined);
  try {
    await Promise.race([client.login(token), ready.then(() => token)]);
    await ready;
  } catch (error) {
    await disconnect(client);
    if (error instanceof KronaError) throw error;
    throw isTokenError(error) ? tokenInvalid(error) : unreachable(error);
  }
}

const isTokenError = (error: unknown): boolean =>
  error instanceof Error &&
  (('code' in error && error.code === 'TokenInvalid') || ('status' in error && error.status === 401));

export const unreachable = (cause: unknown): KronaError =>
  new KronaError(
    'DISCORD_UNREACHABLE',
    "Krona can't reach Discord. Check that this machine reaches discord.com, and see https://discordstatus.com.",
    { cause, retryable: true },
  );

/** What the library keeps to itself of a connection. */
interface Internals {
  readonly _ws: {
    readonly strategy?: {
      readonly shards?: ReadonlyMap<
        number,
        {
          internalConnect(): Promise<void>;
          readonly connection: { on(event: 'error', listener: () => void): void; terminate(): void } | null;
        }
      >;
    };
  } | null;
}

/**
 * Ends the client for good, also while it tries to connect again: left to itself, the library goes on trying when it
 * is told to end between two attempts, and when it is told during one, that attempt's failure ends the process.
 */
export async function disconnect(client: Client): Promise<void> {
  const shards = (client.ws as unknown as Internals)._ws?.strategy?.shards;
  for (const shard of shards?.values() ?? []) shard.internalConnect = () => Promise.resolve();
  if (client.ws.shards.some(({ status }) => status !== Status.Ready))
    for (const { connection } of shards?.values() ?? []) {
      connection?.on('error', () => undefined);
      connection?.terminate();
    }
  await client.destroy();
}
