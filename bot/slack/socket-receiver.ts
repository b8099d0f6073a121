/**
 * @file Socket Mode: Bolt's receiver, reconnected by Krona whenever the connection ends, at once at first and then with
 * growing pauses, without giving up. (Bolt's own reconnecting gives up, with an unhandled rejection, when Slack can't be
 * reached at all.) https://docs.slack.dev/apis/events-api/using-socket-mode
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, type Receiver, SocketModeReceiver } from '@slack/bolt';
import type { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { isTokenDead, reasonOf, tokenInvalid, toKronaError } from './failures.ts';
import { clientOptions, slackLogger } from './web-api.ts';

const FIRST_PAUSE = 500;
const LAST_PAUSE = 30_000;
/** A connection that ends sooner counts as a failure, ms. */
const SHORT_LIVED = 5_000;
/** Longest that closing a connection may take, ms. */
const LONGEST_CLOSE = 2_000;
const NOT_ACCEPTED = ['not_allowed_token_type', 'no_permission', 'missing_scope'];

export interface SocketOptions {
  readonly appToken: string;
  readonly api: string | null;
  readonly log: Log;
  /** Called when the connection is back, with the time in between, ms. */
  readonly onReturn: (away: number) => void;
}

export class SocketReceiver implements Receiver {
  readonly #inner: SocketModeReceiver;
  readonly #options: SocketOptions;
  readonly #stopping = new AbortController();
  /** The code of the last failure in the log. */
  #told = '';

  constructor(options: SocketOptions) {
    this.#options = options;
    // Krona logs what is wrong with the connection once; Slack's package logs it at each try.
    const say: Log['info'] = (fields, message) => options.log.info(fields, message);
    const quiet: Log = { info: say, warn: say, error: say };
    this.#inner = new SocketModeReceiver({
      appToken: options.appToken,
      autoReconnectEnabled: false,
      logger: slackLogger(quiet),
      installerOptions: { clientOptions: clientOptions(options.api, quiet) },
      customPropertiesExtractor: ({ envelope_id }: { envelope_id?: string }) => ({ envelopeId: envelope_id }),
    });
  }

  init(app: App): void {
    this.#inner.init(app);
  }

  /** Resolves when the first connection is open. @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  async start(): Promise<void> {
    try {
      await this.#inner.client.start();
    } catch (error) {
      throw connectionError(error);
    }
    void this.#stayConnected();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // A connection that is closed already sends no event.
    await Promise.race([this.#inner.client.disconnect(), sleep(LONGEST_CLOSE, undefined, { ref: false })]);
  }

  async #stayConnected(): Promise<void> {
    const { client } = this.#inner;
    let pause = FIRST_PAUSE;
    let since = Date.now();
    for (;;) {
      await new Promise((resolve) => client.once('disconnected', resolve));
      const ended = Date.now();
      if (ended - since > SHORT_LIVED) pause = FIRST_PAUSE;
      while (!(await this.#connect(pause))) {
        if (this.#stopping.signal.aborted) return;
        pause = Math.min(LAST_PAUSE, pause * 2);
      }
      since = Date.now();
      this.#options.onReturn(since - ended);
    }
  }

  /** Returns false, after `pause`, when there is no connection yet. */
  async #connect(pause: number): Promise<boolean> {
    const { signal } = this.#stopping;
    if (signal.aborted) return false;
    try {
      await this.#inner.client.start();
      if (!signal.aborted) {
        this.#told = '';
        return true;
      }
      await this.#inner.client.disconnect();
    } catch (error) {
      const { code, message } = connectionError(error);
      // Once per reason: it may stay the same for hours.
      if (code !== this.#told) this.#options.log.warn({ code }, `Slack: no connection: ${code}: ${message}`);
      this.#told = code;
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
    return false;
  }
}

/** Why there is no connection. @param error - undefined when it ended at once */
function connectionError(error: unknown): KronaError {
  if (isTokenDead(error) || NOT_ACCEPTED.includes(reasonOf(error) ?? ''))
    return tokenInvalid('SLACK_APP_TOKEN', error);
  return toKronaError(error ?? new Error('the connection ended at once'), 'apps.connections.open');
}
