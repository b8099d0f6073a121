/** @file The environment variables that Krona reads. README.md describes them; no other file reads `process.env`. */

export const VARIABLES = [
  'KRONA_PORT',
  'KRONA_HOST',
  'KRONA_URL',
  'KRONA_DATA',
  'KRONA_SECRET',
  'KRONA_ACCESS',
  'KRONA_ACCESS_KEY',
  'KRONA_MODERATOR_KEY',
  'KRONA_TRUSTED_PROXIES',
  'KRONA_MODEL',
  'KRONA_REFINER',
  'KRONA_TOKENIZER',
  'KRONA_DEVICE',
  'KRONA_THREADS',
  'DATABASE_URL',
  'REDIS_URL',
  'DISCORD_TOKEN',
  'KRONA_DISCORD_SHARDS',
  'KRONA_DISCORD_API',
  'SLACK_BOT_TOKEN',
  'SLACK_APP_TOKEN',
  'SLACK_SIGNING_SECRET',
  'KRONA_SLACK_API',
  'HF_TOKEN',
  'HF_ENDPOINT',
  'KRONA_LOG',
  'KRONA_DEBUG',
] as const;

/** Values by name, without empty ones: those count as unset. */
export type Environment = { readonly [Name in (typeof VARIABLES)[number]]?: string };

/** Reads Krona's variables. @param from - by default, the variables of this process at this moment */
export function readEnvironment(
  from: Readonly<Record<string, string | undefined>> = process.env,
): Environment {
  return Object.fromEntries(VARIABLES.flatMap((name) => (from[name] ? [[name, from[name]]] : [])));
}

/** Returns the environment of a child process: all variables of this one, with changes. */
export const childEnvironment = (changes: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv => ({
  ...process.env,
  ...changes,
});

/** Returns KRONA_THREADS, the number of CPU threads of a session; 0 when it is unset: all cores. */
export const threadsWanted = (): number => Number(readEnvironment().KRONA_THREADS ?? 0) || 0;

/** Returns KRONA_DATA, the folder for everything that Krona stores; `data` when it is unset. */
export const dataFolder = ({ KRONA_DATA = 'data' } = readEnvironment()): string => KRONA_DATA;
