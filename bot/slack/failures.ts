/** @file Slack's refusals as Krona's errors: what happened, and what an administrator can do about it. */
import { KronaError } from '../../core/errors.ts';

/** The part of the errors of `@slack/web-api` that is read here. */
interface WebApiError {
  readonly code?: string;
  readonly retryAfter?: number;
  readonly statusCode?: number;
  readonly data?: { readonly error?: unknown; readonly needed?: unknown };
}

/** Slack's answers when a message or its channel does not exist any more. */
export const GONE = ['message_not_found', 'channel_not_found'];
/**
 * Slack's answers where nothing can be changed until somebody unarchives the channel. `is_inactive` is how chat.update
 * calls it; Slack says the same of a channel that was deleted.
 */
export const SHUT = ['is_archived', 'is_inactive'];
/** Slack's answers where messages can't be deleted, as in workspaces with a retention policy. */
export const KEPT = ['cant_delete_message', 'compliance_exports_prevent_deletion'];

const TOKEN_DEAD = ['invalid_auth', 'not_authed', 'account_inactive', 'token_revoked', 'token_expired'];
const TROUBLE = ['fatal_error', 'internal_error', 'service_unavailable', 'request_timeout', 'ratelimited'];
const NO_PERMISSION = [
  'not_in_channel',
  'missing_scope',
  'restricted_action',
  'restricted_action_read_only_channel',
  'user_not_in_channel',
  'no_permission',
  'access_denied',
];

function rawOf(error: unknown): WebApiError {
  const raw = error instanceof KronaError ? error.cause : error;
  return typeof raw === 'object' && raw !== null ? raw : {};
}

/** A code, or scopes, as Slack words them. Members read it, so nothing else counts: an answer can repeat a request with its token. */
const CODE = /^[a-z][a-z0-9_:.,]{0,99}$/;
export const codeOf = (given: unknown): string | null =>
  typeof given === 'string' && CODE.test(given) ? given : null;

/** Slack's own code of a refusal, e.g. `not_in_channel`; null for any other failure. */
export const reasonOf = (error: unknown): string | null => codeOf(rawOf(error).data?.error);

/** Seconds that Slack asks to wait, 0 when it names none; null when this is no rate limit. */
export function retryAfter(error: unknown): number | null {
  const { code, retryAfter: seconds } = rawOf(error);
  if (code !== 'slack_webapi_rate_limited_error') return null;
  return seconds !== undefined && seconds > 0 ? seconds : 0;
}

/** True when Slack may or may not have done the request: the answer was lost, or Slack has an internal error. */
export function isUncertain(error: unknown): boolean {
  const raw = rawOf(error);
  if (raw.code === 'slack_webapi_request_error' || raw.code === 'slack_webapi_http_error') return true;
  return TROUBLE.includes(reasonOf(error) ?? '');
}

export const isTokenDead = (error: unknown): boolean => TOKEN_DEAD.includes(reasonOf(error) ?? '');

/** Where a token comes from: an environment variable, or the installation in a workspace. */
export type TokenOrigin = 'SLACK_BOT_TOKEN' | 'SLACK_APP_TOKEN' | { readonly workspace: string };

export function tokenInvalid(origin: TokenOrigin, cause?: unknown): KronaError {
  if (typeof origin === 'object')
    return new KronaError(
      'SLACK_TOKEN_INVALID',
      `Slack does not accept Krona's token for the workspace ${origin.workspace} (${reasonOf(cause) ?? 'invalid format'}). Install Krona there again.`,
      { cause },
    );
  const kind =
    origin === 'SLACK_APP_TOKEN' ? 'xapp- token of Basic Information' : 'xoxb- token of Install App';
  return new KronaError(
    'SLACK_TOKEN_INVALID',
    `Slack does not accept ${origin} (${reasonOf(cause) ?? 'invalid format'}). Copy the ${kind} at api.slack.com/apps again and restart Krona.`,
    { cause },
  );
}

function scopeMissing(method: string, cause: unknown): KronaError {
  const scope = codeOf(rawOf(cause).data?.needed) ?? 'that Slack does not name';
  return new KronaError(
    'SLACK_SCOPE_MISSING',
    `Slack's ${method} needs the scope ${scope}. Add it at api.slack.com/apps under OAuth & Permissions, and reinstall the app.`,
    { cause },
  );
}

/** The error of a failed call that its caller does not handle itself. Slack's error stays as the cause. */
export function toKronaError(
  error: unknown,
  method: string,
  origin: TokenOrigin = 'SLACK_BOT_TOKEN',
): KronaError {
  if (error instanceof KronaError) return error;
  const reason = reasonOf(error);
  if (isTokenDead(error)) return tokenInvalid(origin, error);
  if (reason === 'missing_scope') return scopeMissing(method, error);
  if (retryAfter(error) !== null)
    return new KronaError(
      'SLACK_RATE_LIMITED',
      `Slack limits how often Krona calls ${method}. Krona tries again.`,
      {
        cause: error,
        retryable: true,
      },
    );
  if (isUncertain(error))
    return new KronaError('SLACK_UNREACHABLE', `Slack did not answer ${method}. Try again in a moment.`, {
      cause: error,
      retryable: true,
    });
  return new KronaError('SLACK_REFUSED', `Slack refused ${method}: ${reason ?? 'it gave no reason'}.`, {
    cause: error,
  });
}

/**
 * Why a message can't be posted in a channel.
 *
 * @param alive - somebody was heard in the channel just now, so it exists even when Slack hides it from the bot
 */
export function placeError(error: unknown, alive: boolean): KronaError {
  const reason = reasonOf(error) ?? '';
  if (reason === 'missing_scope')
    return new KronaError('POST_FORBIDDEN', toKronaError(error, 'chat.postMessage').message, {
      cause: error,
    });
  if (reason.startsWith('restricted_action'))
    return new KronaError(
      'POST_FORBIDDEN',
      "This channel's posting permissions don't include Krona. A channel manager can add it there.",
      { cause: error },
    );
  if (NO_PERMISSION.includes(reason) || (alive && reason === 'channel_not_found'))
    return new KronaError(
      'POST_FORBIDDEN',
      "Krona is not in this channel, so it can't post here. Write `/invite @krona` and send the command again.",
      { cause: error },
    );
  if (SHUT.includes(reason)) return archived(error);
  if (reason === 'channel_not_found')
    return new KronaError('CHANNEL_GONE', 'This channel was deleted.', { cause: error });
  return toKronaError(error, 'chat.postMessage');
}

const archived = (cause: unknown): KronaError =>
  new KronaError('CHANNEL_GONE', 'This channel is archived.', { cause });

/** What is wrong with an existing message. */
export function messageError(error: unknown): unknown {
  const reason = reasonOf(error) ?? '';
  // Its messages are brought up to date when it is unarchived.
  if (SHUT.includes(reason)) return archived(error);
  if (GONE.includes(reason))
    return new KronaError('MESSAGE_GONE', 'This message was deleted on Slack.', { cause: error });
  if (['cant_update_message', 'edit_window_closed'].includes(reason))
    return new KronaError('MESSAGE_STALE', 'Slack no longer allows edits of this message.', { cause: error });
  return error;
}
