/**
 * @file The configuration of bot and worker, from environment variables. Messages name the variable and never repeat a
 * value, which can contain a password.
 */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { readBlobPlace, type BlobPlace } from './blob-place.ts';
import {
  bucketAccess,
  type BucketAccess,
  dataFolder,
  readEnvironment,
  storageLimit,
  type Environment,
} from './environment.ts';
import { KronaError } from './errors.ts';
import { createFileOnce, readFileIfAny } from './files.ts';
import { embeddedModel } from './package.ts';
import { readWebAccess, SHORTEST_KEY, type WebAccess } from './web-access.ts';

/** Devices for sessions, by the runtime's names. */
export const DEVICES = ['cpu', 'cuda', 'webgpu'] as const;
export type Device = (typeof DEVICES)[number];

/** The device of one engine. */
export interface EngineDevice {
  /** null: CUDA if it works, else the best that does. */
  readonly kind: Device | null;
  /** Number of the card, from 0; null: the first, or no card. */
  readonly card: number | null;
}

const BLOB_LINKS = ['proxied', 'presigned'] as const;
type BlobLinks = (typeof BLOB_LINKS)[number];

export interface Config {
  /** DATABASE_URL: a PostgreSQL server. null: the embedded database in the data folder. */
  readonly databaseUrl: string | null;
  /** REDIS_URL: jobs go through Redis. null: through the database. */
  readonly redisUrl: string | null;
  /** KRONA_DATA, absolute; `./data` by default. Database, blobs and the secret live here by default. */
  readonly dataFolder: string;
  /** KRONA_BLOBS: where photos, pictures and adapters are; `blobs` in the data folder by default. */
  readonly blobs: BlobPlace;
  /** How a bucket in `blobs` is reached. */
  readonly bucketAccess: BucketAccess;
  /** KRONA_BLOB_LINKS: the bot sends files itself (`proxied`, the default), or sends browsers to the bucket. */
  readonly blobLinks: BlobLinks;
  /** KRONA_MODEL, absolute: a model folder or single file; the embedded one by default. */
  readonly modelPath: string;
  /** KRONA_REFINER, absolute: a second model that finishes pictures, such as SDXL's refiner. null: none. */
  readonly refinerPath: string | null;
  /** KRONA_SPEED, absolute: an adapter for few steps (LCM, Lightning, Hyper-SD, …), or a folder of them. null: none. */
  readonly speedPath: string | null;
  /** KRONA_DEVICE: the worker's devices, one engine for each; never empty. */
  readonly devices: readonly [EngineDevice, ...EngineDevice[]];
  /** KRONA_HOST: the address that the bot's http server listens on, 127.0.0.1 by default. */
  readonly host: string;
  /** KRONA_PORT: 7860 by default; 0 lets the system choose. */
  readonly port: number;
  /** KRONA_URL: the public address, for links, without a closing slash. null: `http://localhost:<port>`. */
  readonly publicUrl: string | null;
  /** KRONA_STATUS_PORT and KRONA_STATUS_HOST: where monitoring asks this process. null: nowhere. */
  readonly status: StatusAddress | null;
  /** KRONA_WEBHOOK_ORIGINS: where webhooks of the API can go; none by default. */
  readonly webhookOrigins: readonly string[];
  /** KRONA_SECRET: signs links. By default, made once at random and stored in the data folder. */
  readonly secret: string;
  /** Who can enter the web chat. */
  readonly webAccess: WebAccess;
  /** DISCORD_TOKEN: the bot also runs on Discord. */
  readonly discord: DiscordConfig | null;
  /**
   * SLACK_BOT_TOKEN or SLACK_CLIENT_ID, with SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP): the bot also
   * runs on Slack.
   */
  readonly slack: SlackConfig | null;
}

/** @throws KronaError KRONA_WEBHOOK_ORIGINS_INVALID */
function webhookOrigins({ KRONA_WEBHOOK_ORIGINS: value = '' }: Environment): string[] {
  const origins = value.split(/[\s,]+/).filter((each) => each !== '');
  return origins.map((each) => {
    const url = URL.canParse(each) ? new URL(each) : null;
    if (url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
    throw new KronaError(
      'KRONA_WEBHOOK_ORIGINS_INVALID',
      'KRONA_WEBHOOK_ORIGINS must be addresses such as https://hooks.example.org, without a path, with commas between.',
    );
  });
}

export interface StatusAddress {
  /** 127.0.0.1 by default: other machines can't ask. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface DiscordConfig {
  readonly token: string;
  /** KRONA_DISCORD_SHARDS: `auto` or a number; null: one connection. */
  readonly shards: number | 'auto' | null;
  /** KRONA_DISCORD_DIRECT: members can draw in direct messages; default false. */
  readonly direct?: boolean;
  /** KRONA_DISCORD_API: the REST address, for a proxy; null: Discord's own. */
  readonly api: string | null;
}

export interface SlackConfig {
  /** Of one workspace; null: those in which the app is installed by OAuth alone. */
  readonly botToken: string | null;
  /** The app can be installed in further workspaces. */
  readonly oauth: SlackOAuth | null;
  /** Events arrive over a WebSocket, without a public address. null: over HTTP at `/slack/events`. */
  readonly appToken: string | null;
  /** Checks that HTTP requests come from Slack. */
  readonly signingSecret: string | null;
  /** KRONA_SLACK_API: the Web API's address, for a proxy; null: Slack's own. */
  readonly api: string | null;
}

/** Whether keys that are in no variable and no file are made and kept, or only made up: for a look that changes nothing. */
type MissingKeys = 'kept' | 'made up';

export interface SlackOAuth {
  readonly clientId: string;
  /** null: the app is a public client, which proves by PKCE (RFC 7636) that it began an installation. */
  readonly clientSecret: string | null;
}

/**
 * Reads the configuration.
 *
 * @throws KronaError `<VARIABLE>_INVALID`, e.g. KRONA_PORT_INVALID.
 */
export async function readConfig(
  given: Readonly<Record<string, string | undefined>> = readEnvironment(),
  missingKeys: MissingKeys = 'kept',
): Promise<Config> {
  const env = readEnvironment(given);
  // Read again where it counts; here so that a wrong one is told at the start.
  storageLimit(env);
  const folder = resolve(dataFolder(env));
  const host = env.KRONA_HOST ?? '127.0.0.1';
  const publicUrl =
    url(env, 'KRONA_URL', ['http:', 'https:'], 'https://krona.example.org')?.replace(/\/+$/, '') ?? null;
  return {
    databaseUrl: url(
      env,
      'DATABASE_URL',
      ['postgres:', 'postgresql:'],
      'postgres://user:password@host/database',
    ),
    redisUrl: url(env, 'REDIS_URL', ['redis:', 'rediss:'], 'redis://host:6379'),
    dataFolder: folder,
    blobs: readBlobPlace(env.KRONA_BLOBS ?? join(folder, 'blobs')),
    bucketAccess: bucketAccess(env),
    blobLinks: readBlobLinks(env),
    modelPath: resolve(env.KRONA_MODEL ?? embeddedModel),
    refinerPath: env.KRONA_REFINER ? resolve(env.KRONA_REFINER) : null,
    speedPath: env.KRONA_SPEED ? resolve(env.KRONA_SPEED) : null,
    devices: readDevices(env),
    host,
    port: port(env, 'KRONA_PORT', '7860'),
    status: status(env),
    webhookOrigins: webhookOrigins(env),
    publicUrl,
    secret: await keptKey(env, folder, missingKeys, 'KRONA_SECRET', 'secret'),
    webAccess: readWebAccess(
      env,
      { host, publicUrl },
      await keptKey(env, folder, missingKeys, 'KRONA_MODERATOR_KEY', 'moderator-key'),
    ),
    discord: discord(env),
    slack: slack(env),
  };
}

/** Returns the kind of the first device that KRONA_DEVICE names. @throws KronaError KRONA_DEVICE_INVALID */
export const readDevice = (env: Environment = readEnvironment()): Device | null => readDevices(env)[0].kind;

/** `cuda:0,cuda:1`: one engine on each card; `cpu,cpu`: two on the same processor. */
function readDevices({ KRONA_DEVICE: value }: Environment): Config['devices'] {
  const [first = { kind: null, card: null }, ...others] = (value ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map((word) => readEngineDevice(word, value));
  return [first, ...others];
}

function readEngineDevice(word: string, value = ''): EngineDevice {
  const [name, card, ...more] = word.split(':');
  const kind = DEVICES.find((each) => each === name);
  const isNumbered = card === undefined || (kind === 'cuda' && /^\d{1,3}$/.test(card));
  if (kind !== undefined && isNumbered && more.length === 0)
    return { kind, card: card === undefined ? null : Number(card) };
  throw new KronaError(
    'KRONA_DEVICE_INVALID',
    `KRONA_DEVICE must be one of ${DEVICES.join(', ')}, or several such as cuda:0,cuda:1, not "${value}".`,
  );
}

function readBlobLinks({ KRONA_BLOB_LINKS: value }: Environment): BlobLinks {
  if (value === undefined) return 'proxied';
  const links = BLOB_LINKS.find((each) => each === value);
  if (links !== undefined) return links;
  throw new KronaError(
    'KRONA_BLOB_LINKS_INVALID',
    `KRONA_BLOB_LINKS must be ${BLOB_LINKS.join(' or ')}, not "${value}".`,
  );
}

function discord(env: Environment): DiscordConfig | null {
  const token = env.DISCORD_TOKEN;
  if (!token) return null;
  return {
    token,
    shards: shards(env),
    direct: direct(env),
    api: api(env, 'KRONA_DISCORD_API', 'https://proxy.example.org/api'),
  };
}

function direct({ KRONA_DISCORD_DIRECT: value = 'off' }: Environment): boolean {
  if (value === 'on' || value === 'off') return value === 'on';
  throw new KronaError(
    'KRONA_DISCORD_DIRECT_INVALID',
    `KRONA_DISCORD_DIRECT must be on or off, not "${value}".`,
  );
}

function shards(env: Environment): number | 'auto' | null {
  const value = env.KRONA_DISCORD_SHARDS;
  if (!value) return null;
  if (value === 'auto') return 'auto';
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= 1 && number <= 10_000) return number;
  throw new KronaError(
    'KRONA_DISCORD_SHARDS_INVALID',
    `KRONA_DISCORD_SHARDS must be auto or a whole number from 1, not "${value}".`,
  );
}

function slack(env: Environment): SlackConfig | null {
  const botToken = env.SLACK_BOT_TOKEN ?? null;
  const oauth = slackOAuth(env);
  const appToken = env.SLACK_APP_TOKEN ?? null;
  const signingSecret = env.SLACK_SIGNING_SECRET ?? null;
  if (botToken === null && oauth === null) return null;
  if (appToken === null && signingSecret === null)
    throw new KronaError(
      'SLACK_APP_TOKEN_MISSING',
      `${botToken === null ? 'SLACK_CLIENT_ID' : 'SLACK_BOT_TOKEN'} is set, but SLACK_APP_TOKEN (Socket Mode) and SLACK_SIGNING_SECRET (HTTP) are not. Set one of them.`,
    );
  return {
    botToken,
    oauth,
    appToken,
    signingSecret,
    api: api(env, 'KRONA_SLACK_API', 'https://proxy.example.org/api/'),
  };
}

/** @throws KronaError SLACK_CLIENT_URL_MISSING */
function slackOAuth(env: Environment): SlackOAuth | null {
  const clientId = env.SLACK_CLIENT_ID;
  if (clientId === undefined) return null;
  if (env.KRONA_URL === undefined)
    throw new KronaError(
      'SLACK_CLIENT_URL_MISSING',
      'SLACK_CLIENT_ID is set, but KRONA_URL is not. Set KRONA_URL to the https address of this bot: Slack sends browsers back to it.',
    );
  return { clientId, clientSecret: env.SLACK_CLIENT_SECRET ?? null };
}

type UrlVariable = 'DATABASE_URL' | 'REDIS_URL' | 'KRONA_URL' | 'KRONA_DISCORD_API' | 'KRONA_SLACK_API';

const api = (env: Environment, name: UrlVariable, example: string): string | null =>
  url(env, name, ['http:', 'https:'], example);

function url(
  env: Environment,
  name: UrlVariable,
  protocols: readonly string[],
  example: string,
): string | null {
  const value = env[name];
  if (!value) return null;
  const protocol = URL.canParse(value) ? new URL(value).protocol : null;
  if (protocol !== null && protocols.includes(protocol)) return value;
  throw new KronaError(
    `${name}_INVALID`,
    `${name} must be an address such as ${example}, not ${protocol === null ? 'a text without a scheme' : `a ${protocol} address`}. Correct it, or unset it.`,
  );
}

function status(env: Environment): StatusAddress | null {
  const { KRONA_STATUS_PORT: given, KRONA_STATUS_HOST: host = '127.0.0.1' } = env;
  return given === undefined ? null : { host, port: port(env, 'KRONA_STATUS_PORT', given) };
}

function port(env: Environment, name: 'KRONA_PORT' | 'KRONA_STATUS_PORT', fallback: string): number {
  const value = env[name] ?? fallback;
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= 65535) return number;
  throw new KronaError(`${name}_INVALID`, `${name} must be a whole number from 0 to 65535, not "${value}".`);
}

/** A key from its variable; else the one in a file of the data folder, made once at random. */
async function keptKey(
  env: Environment,
  dataFolder: string,
  missingKeys: MissingKeys,
  name: 'KRONA_SECRET' | 'KRONA_MODERATOR_KEY',
  file: string,
): Promise<string> {
  const given = env[name];
  if (given) {
    if (given.length >= SHORTEST_KEY) return given;
    throw new KronaError(
      `${name}_INVALID`,
      `${name} must have at least ${SHORTEST_KEY} characters, but it has ${given.length}. Unset it, and Krona makes one.`,
    );
  }
  const path = join(dataFolder, file);
  let kept = await readFileIfAny(path);
  if (kept === null) {
    const made = randomBytes(32).toString('hex');
    if (missingKeys === 'made up') return made;
    // Bot and worker can both be first: the one that is too late reads the other's file.
    await createFileOnce(path, made);
    kept = await readFileIfAny(path);
  }
  if (kept !== null && kept.length >= SHORTEST_KEY) return kept;
  throw new KronaError(
    `${name}_INVALID`,
    `The file “${file}” in the data folder is empty or damaged. Delete it, and Krona makes a new one; old links then stop working.`,
  );
}
