/**
 * @file Calls of Slack's Web API within its rules: one message a second in a channel, the pause that a rate limit asks
 * for, and another try where that can't do something twice.
 * https://docs.slack.dev/apis/web-api/rate-limits
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { webApi } from '@slack/bolt';
import { Lanes } from '../lanes.ts';
import { RecentMap } from '../../core/recent.ts';
import type { Log } from '../../core/log.ts';
import { Backoff, pauseAfter } from '../../core/backoff.ts';
import { retry } from '../../core/retrying.ts';
import { stopping } from '../stopping.ts';
import { isUncertain, retryAfter, toKronaError, type TokenOrigin } from './failures.ts';

/** Least pause between two messages in one channel, ms: Slack's limit is one a second. */
const MESSAGE_EVERY = 1_050;
/** Longest that a call waits for rate limits in all, ms. */
const PATIENCE = 180_000;
/** Pauses after a limit that does not say how long it lasts. */
const UNSTATED_LIMIT = { first: 1_000, longest: 60_000 };
/** Pauses after a call whose answer was lost. */
const UNCERTAIN = { first: 500, longest: 4_000 };
/** Tries of a call whose answer was lost. */
const TRIES = 3;
/** A call that Slack does not answer is given up after this, ms. */
const TIMEOUT = 30_000;

export interface CallOptions {
  /** The call can be repeated without doing something twice. Default true. */
  readonly repeatable?: boolean;
  /** What Slack counts the limit by, beside the method, e.g. a channel. */
  readonly limitedBy?: string;
}

/** The log for Slack's packages. Their messages below a warning are of no use to an administrator. */
export function slackLogger(log: Log) {
  const text = (parts: unknown[]) => parts.map(String).join(' ');
  return {
    debug() {},
    info() {},
    warn: (...parts: unknown[]) => log.warn({}, `Slack: ${text(parts)}`),
    error: (...parts: unknown[]) => log.warn({}, `Slack: ${text(parts)}`),
    setLevel() {},
    getLevel: () => webApi.LogLevel.WARN,
    setName() {},
  };
}

/**
 * Gives limits that don't say how long they last a time of 0 s, which the caller's own pause replaces: Slack's package
 * takes such an answer for an error without a reason.
 */
const fetchLimited: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const stated = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  if (response.status !== 429 || stated >= 0) return response;
  const headers = new Headers([...response.headers]);
  headers.set('retry-after', '0');
  return new Response(response.body, { status: 429, headers });
};

export function clientOptions(api: string | null, log: Log): webApi.WebClientOptions {
  return {
    ...(api !== null && { slackApiUrl: api }),
    fetch: fetchLimited,
    logger: slackLogger(log),
    // Retries and rate limits are ours: the client would stop all methods for one that is limited.
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: TIMEOUT,
  };
}

export class SlackApi {
  readonly client: webApi.WebClient;
  readonly #freeAt = new Map<string, number>();
  readonly #lastMessage = new RecentMap<string, number>(1_000);
  readonly #messages = new Lanes();
  readonly #closing = new AbortController();
  /** A process before this one may have posted just now. */
  readonly #began = performance.now();

  readonly #origin: TokenOrigin;

  /** @param origin - of the token, for errors */
  constructor(token: string, api: string | null, log: Log, origin: TokenOrigin = 'SLACK_BOT_TOKEN') {
    this.#origin = origin;
    this.client = new webApi.WebClient(token, clientOptions(api, log));
  }

  /** Ends the pauses of calls under way, which fail with a retryable error. */
  close(): void {
    this.#closing.abort();
  }

  /**
   * Does one call.
   *
   * @throws KronaError of `toKronaError`, with Slack's error as its cause
   */
  async call<T>(
    method: string,
    work: (client: webApi.WebClient) => Promise<T>,
    { repeatable = true, limitedBy = '' }: CallOptions = {},
  ): Promise<T> {
    const key = `${method} ${limitedBy}`;
    const until = performance.now() + PATIENCE;
    const limited = new Backoff(UNSTATED_LIMIT);
    let uncertain = 0;
    const once = async (): Promise<T> => {
      // Other calls may have met the limit, too.
      await this.#pause((this.#freeAt.get(key) ?? 0) - performance.now());
      return work(this.client);
    };
    try {
      return await retry(once, {
        signal: this.#closing.signal,
        pause: (error) => {
          const seconds = retryAfter(error);
          if (seconds === null)
            return repeatable && isUncertain(error) && ++uncertain < TRIES
              ? pauseAfter(uncertain, UNCERTAIN)
              : null;
          // A limit that names no time, or none that helps, is tried ever later.
          const again = performance.now() + Math.max(seconds * 1000, limited.next());
          if (again >= until) return null;
          this.#freeAt.set(key, again);
          return 0;
        },
      });
    } catch (error) {
      throw toKronaError(error, method, this.#origin);
    }
  }

  /** Does a call that posts a message in a channel, in its turn and no sooner than Slack allows. */
  inTurn<T>(channelId: string, method: string, work: (client: webApi.WebClient) => Promise<T>): Promise<T> {
    return this.#messages.run(channelId, async () => {
      await this.#pause(
        (this.#lastMessage.get(channelId) ?? this.#began) + MESSAGE_EVERY - performance.now(),
      );
      try {
        return await this.call(method, work, { repeatable: false, limitedBy: channelId });
      } finally {
        this.#lastMessage.set(channelId, performance.now());
      }
    });
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {
      throw stopping();
    });
  }
}
