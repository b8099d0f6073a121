/**
 * @file Takes secrets out of what is written down. Errors of libraries and answers of servers can repeat a request with all
 * that was in it, so the log is the last place where a token can be stopped.
 */
import type { Environment } from '../core/environment.ts';

/** Variables that are secrets as a whole; several have commas between. */
const WHOLE = [
  'KRONA_SECRET',
  'KRONA_ACCESS_KEY',
  'KRONA_MODERATOR_KEY',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'DISCORD_TOKEN',
  'SLACK_BOT_TOKEN',
  'SLACK_APP_TOKEN',
  'SLACK_SIGNING_SECRET',
  'SLACK_CLIENT_SECRET',
  'HF_TOKEN',
] as const;
/** Addresses, which can have a password in them. */
const ADDRESSES = [
  'DATABASE_URL',
  'REDIS_URL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_S3',
  'HF_ENDPOINT',
  'KRONA_NUGET_INDEX',
  'PIP_INDEX_URL',
  'KRONA_DISCORD_API',
  'KRONA_SLACK_API',
] as const;

/** Shorter values are words that stand in the log anyway, such as a database's password “krona”. */
const SHORTEST = 10;
/** In place of a secret. */
const HIDDEN = '[secret]';

/**
 * Secrets that stand in no variable, by their form: tokens of Slack's workspaces, of Krona's own API, what follows the scheme of
 * an `Authorization` header, and the keys with which Discord and Slack let an interaction be answered.
 */
const FORMS: readonly [RegExp, string][] = [
  [/\b(?:xox[a-z](?:\.xox[a-z])?|xapp|xwfp)-[\w.-]{8,}/g, HIDDEN],
  [/\bkrona_[\w-]{43}/g, HIDDEN],
  [/\b(Bearer|Bot|Basic) [\w.~+/=-]{16,}/g, `$1 ${HIDDEN}`],
  [/(\/\/[^\s/:@"]*:)[^\s/@"]+@/g, `$1${HIDDEN}@`],
  [/(\/(?:interactions|webhooks)\/\d+\/)[\w.~%-]{8,}/g, `$1${HIDDEN}`],
  [/(hooks\.slack\.com\/)[\w./-]+/g, `$1${HIDDEN}`],
];

/** Returns what hides the secrets of an environment, as they are, in an address and in JSON. */
export function secretHider(env: Environment): (text: string) => string {
  const whole = WHOLE.flatMap((name) => (env[name] ?? '').split(',').map((each) => each.trim()));
  const secrets = [...whole, ...ADDRESSES.flatMap((name) => passwordOf(env[name]))]
    .filter((secret) => secret.length >= SHORTEST)
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    // One can be the beginning of another.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let hidden = text;
    for (const secret of new Set(secrets)) hidden = hidden.replaceAll(secret, HIDDEN);
    for (const [form, by] of FORMS) hidden = hidden.replace(form, by);
    return hidden;
  };
}

function passwordOf(address = ''): string[] {
  if (!URL.canParse(address)) return [];
  const { password } = new URL(address);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    // A `%` that begins no code.
    return [password];
  }
}
