/**
 * @file Where Krona keeps things and listens, from environment variables only. Nothing here connects or
 * listens; messages name the variable and never repeat a value, which may hold a password.
 */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { KronaError } from './errors.ts';
import { createFileOnce, readFileIfAny } from './files.ts';

export interface Config {
  /** DATABASE_URL: a PostgreSQL server. null: the embedded database in the data folder. */
  readonly databaseUrl: string | null;
  /** REDIS_URL: jobs go through Redis. null: through the database. */
  readonly redisUrl: string | null;
  /** KRONA_DATA, absolute; `./data` by default. Database, blobs and the secret live here. */
  readonly dataFolder: string;
  /** KRONA_MODEL, absolute: a model folder or single file; `./models/krona-emoji` by default. */
  readonly modelPath: string;
  /** KRONA_HOST: the address that the bot's http server listens on, 127.0.0.1 by default. */
  readonly host: string;
  /** KRONA_PORT: 7860 by default; 0 lets the system choose. */
  readonly port: number;
  /** KRONA_URL: what links begin with, without a closing slash. null: `http://localhost:<port>`. */
  readonly publicUrl: string | null;
  /** KRONA_SECRET: signs links. By default made once at random and kept in the data folder. */
  readonly secret: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration; empty variables count as absent.
 *
 * @throws KronaError `<VARIABLE>_INVALID`, e.g. KRONA_PORT_INVALID.
 */
export async function readConfig(env: Environment = process.env): Promise<Config> {
  const dataFolder = resolve(env['KRONA_DATA'] || 'data');
  return {
    databaseUrl: url(
      env,
      'DATABASE_URL',
      ['postgres:', 'postgresql:'],
      'postgres://user:password@host/database',
    ),
    redisUrl: url(env, 'REDIS_URL', ['redis:', 'rediss:'], 'redis://host:6379'),
    dataFolder,
    modelPath: resolve(env['KRONA_MODEL'] || 'models/krona-emoji'),
    host: env['KRONA_HOST'] || '127.0.0.1',
    port: port(env),
    publicUrl:
      url(env, 'KRONA_URL', ['http:', 'https:'], 'https://krona.example.org')?.replace(/\/+$/, '') ?? null,
    secret: await secret(env, dataFolder),
  };
}

function url(env: Environment, name: string, protocols: readonly string[], example: string): string | null {
  const value = env[name];
  if (!value) return null;
  const protocol = URL.canParse(value) ? new URL(value).protocol : null;
  if (protocol !== null && protocols.includes(protocol)) return value;
  throw new KronaError(
    `${name}_INVALID`,
    `${name} is not an address that Krona can use (${protocol ?? 'not a URL'}); give it as ${example}, or leave it out.`,
  );
}

function port(env: Environment): number {
  const value = env['KRONA_PORT'] || '7860';
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= 65535) return number;
  throw new KronaError(
    'KRONA_PORT_INVALID',
    `KRONA_PORT must be a whole number from 0 to 65535, not "${value}".`,
  );
}

/** Shortest KRONA_SECRET, in characters: less could be guessed by trying. */
const MIN_SECRET = 16;

async function secret(env: Environment, dataFolder: string): Promise<string> {
  const given = env['KRONA_SECRET'];
  if (given) {
    if (given.length >= MIN_SECRET) return given;
    throw new KronaError(
      'KRONA_SECRET_INVALID',
      `KRONA_SECRET must have at least ${MIN_SECRET} characters, it has ${given.length}; or leave it out and Krona makes one.`,
    );
  }
  const path = join(dataFolder, 'secret');
  // Bot and worker may both be first: whoever loses reads what the other wrote.
  await createFileOnce(path, randomBytes(32).toString('hex'));
  const kept = await readFileIfAny(path);
  if (kept !== null && kept.length >= MIN_SECRET) return kept;
  throw new KronaError(
    'KRONA_SECRET_INVALID',
    'The file "secret" in the data folder is empty or damaged; delete it and Krona makes a new one (old links then stop working).',
  );
}
