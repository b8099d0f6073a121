/**
 * @file The discord.js client and REST as Krona uses them: the fewest intents, next to nothing cached, and errors
 * that come at once where waiting would not help.
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
  type RESTOptions,
  Status,
} from 'discord.js';
import type { DiscordConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { CODE, stopping, tokenInvalid } from './errors.ts';

type ResponseLike = Awaited<ReturnType<RESTOptions['makeRequest']>>;

/**
 * The answer “no more edits of this old message” has the status of a rate limit, which the library would wait for
 * and repeat without end; with another status it comes back as an error.
 */
const makeRequest: RESTOptions['makeRequest'] = async (url, init) => {
  const response = await fetch(url, init as RequestInit);
  // The library's types are those of another version of the same fetch.
  if (response.status !== 429) return response as unknown as ResponseLike;
  const body = await response.text();
  const code = /"code":\s*(\d+)/.exec(body)?.[1];
  const status = Number(code) === CODE.tooManyEditsOfOldMessage ? 400 : 429;
  return new Response(body, { status, headers: response.headers }) as unknown as ResponseLike;
};

const restOptions = ({ api }: DiscordConfig): Partial<RESTOptions> => ({
  makeRequest,
  ...(api !== null && { api: api.replace(/\/+$/, '') }),
});

/** REST with the bot's token, of its own: it goes on when the client has gone, until it is ended. */
export class BotRest extends REST {
  readonly #refusals = new Set<(error: KronaError) => void>();
  #ended = false;

  /** @throws KronaError DISCORD_TOKEN_INVALID */
  constructor(config: DiscordConfig) {
    if (!/^[\w.-]+$/.test(config.token)) throw tokenInvalid();
    super(restOptions(config));
    this.setToken(config.token);
    this.options.makeRequest = async (url, init) => {
      // Its caller has been told that it was not sent.
      if (this.#ended && new Headers(init.headers as HeadersInit).has('authorization')) throw stopping();
      return makeRequest(url, init);
    };
  }

  /**
   * Ends all waiting, as for a rate limit, with STOPPING, and sends nothing more. Answers to interactions, which carry
   * no token of the bot's, go on: no record keeps those.
   */
  end(): void {
    this.#ended = true;
    for (const refuse of this.#refusals) refuse(stopping());
  }

  override request(options: InternalRequest): Promise<unknown> {
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

export function createClient(config: DiscordConfig): Client {
  const { shards } = config;
  const sharding: Pick<ClientOptions, 'shards' | 'shardCount'> =
    shards === null ? {} : shards === 'auto' ? { shards } : { shardCount: shards };
  return new Client({
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
    rest: restOptions(config),
    ...sharding,
  });
}

/** What a close of the connection means that does not mend itself; null when the client connects again. */
export function fatalClose(code: number): KronaError | null {
  if (code === (GatewayCloseCodes.AuthenticationFailed as number)) return tokenInvalid();
  if (code === (GatewayCloseCodes.ShardingRequired as number))
    return new KronaError(
      'DISCORD_SHARDS_NEEDED',
      'The bot is in too many servers for one connection; set KRONA_DISCORD_SHARDS=auto.',
    );
  if (code === (GatewayCloseCodes.InvalidShard as number))
    return new KronaError(
      'DISCORD_SHARDS_NEEDED',
      'Discord refuses this number of shards; set KRONA_DISCORD_SHARDS=auto.',
    );
  return null;
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
  // Whichever of the two fails first is told; the other must not end the process.
  ready.catch(() => undefined);
  try {
    await Promise.race([client.login(token), ready.then(() => token)]);
    await ready;
  } catch (error) {
    await disconnect(client);
    if (error instanceof KronaError) throw error;
    const { code, status } = error as { code?: unknown; status?: unknown };
    throw code === 'TokenInvalid' || status === 401 ? tokenInvalid(error) : unreachable(error);
  }
}

export const unreachable = (cause: unknown): KronaError =>
  new KronaError(
    'DISCORD_UNREACHABLE',
    'Discord cannot be reached; see whether this machine reaches discord.com, and https://discordstatus.com.',
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
