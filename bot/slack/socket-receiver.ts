/**
 * @file Socket Mode: Bolt's receiver, reconnected by Krona whenever the connection ends, at once at first and then with
 * growing pauses, without giving up. (Bolt's own reconnecting gives up, with an unhandled rejection, when Slack can't be
 * reached at all.) https://docs.slack.dev/apis/events-api/using-socket-mode
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, type Receiver, SocketModeReceiver } from '@slack/bolt';
import * as v from 'valibot';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { Backoff } from '../../core/backoff.ts';
import { isTokenDead, reasonOf, tokenInvalid, toKronaError } from './failures.ts';
import { clientOptions, slackLogger } from './web-api.ts';

const PAUSES = { first: 500, longest: 30_000 };
/** Slack greets on a new connection at once; one without a word for this long is given up, ms. */
const LONGEST_SILENCE = 10_000;
/** Why Slack ends a connection at once: the app has its 10 already, e.g. of a process that was killed just now. */
const TOO_MANY = 'too_many_websockets';
/** Failures that pass. */
const PASSING = ['SLACK_CONNECTION_ENDED', 'SLACK_SILENT', 'SLACK_RATE_LIMITED'];
/** A connection that ends sooner counts as a failure, ms. */
const SHORT_LIVED = 5_000;
/** So many of those in a row are told. */
const MANY_SHORT = 3;
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
  #connected = false;

  get isConnected(): boolean {
    return this.#connected;
  }

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
    this.#dropUnreadable();
  }

  /** Drops messages that Slack's package can't read: it rejects where nobody waits, which would end the process. */
  #dropUnreadable(): void {
    const { client } = this.#inner;
    for (const read of client.listeners('ws_message')) {
      client.off('ws_message', read);
      client.on('ws_message', (...given: unknown[]) => {
        void (async () => read(...given))().catch((error: unknown) => {
          this.#options.log.error({ error }, 'Slack: a message could not be read');
        });
      });
    }
  }

  init(app: Pick<App, 'processEvent'>): void {
    // All that it does with the app.
    this.#inner.init(app as App);
  }

  /**
   * Resolves when the first connection is open, or when Slack can be reached but has none to give just now: then Krona
   * goes on trying.
   *
   * @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE
   */
  async start(): Promise<void> {
    let isConnected = true;
    try {
      await this.#open();
    } catch (error) {
      const failure = connectionError(error);
      if (!PASSING.includes(failure.code)) throw failure;
      this.#tell(failure);
      isConnected = false;
    }
    void this.#stayConnected(isConnected);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#close();
  }

  /** Connects again whenever the connection ends: at once after a long one, which Slack renews every few hours. */
  async #stayConnected(isConnected: boolean): Promise<void> {
    const { signal } = this.#stopping;
    const backoff = new Backoff(PAUSES);
    const pause = () => sleep(backoff.next(), undefined, { signal }).catch(() => undefined);
    let lost = performance.now();
    let short = 0;
    const untilLost = async () => {
      const since = performance.now();
      this.#connected = true;
      await new Promise((resolve) => this.#inner.client.once('disconnected', resolve));
      this.#connected = false;
      lost = performance.now();
      if (lost - since > SHORT_LIVED) {
        short = 0;
        backoff.reset();
        this.#told = '';
      } else {
        if (++short >= MANY_SHORT) this.#tell(ended(null, null));
        await pause();
      }
    };
    await (isConnected ? untilLost() : pause());
    while (!signal.aborted)
      if (await this.#connect()) {
        this.#options.onReturn(performance.now() - lost);
        await untilLost();
      } else await pause();
  }

  /**
   * Opens a connection and waits until Slack greets on it.
   *
   * @throws what went wrong; KronaError SLACK_CONNECTION_ENDED, SLACK_SILENT
   */
  async #open(): Promise<void> {
    const { client } = this.#inner;
    let reason: string | undefined;
    const hear = (data: unknown) => (reason ??= disconnectReason(data));
    client.on('ws_message', hear);
    const greeted = new AbortController();
    const silence = sleep(LONGEST_SILENCE, 'silent' as const, { signal: greeted.signal, ref: false });
    silence.catch(() => undefined);
    try {
      const started = client.start();
      started.catch(() => undefined);
      if ((await Promise.race([started, silence])) !== 'silent') return;
      await this.#close();
      throw silent();
    } catch (error) {
      // Without an error: it ended at once, for a reason that Slack may have sent on it.
      if (error === undefined || reasonOf(error) === TOO_MANY) throw ended(reason ?? reasonOf(error), error);
      throw error;
    } finally {
      greeted.abort();
      client.off('ws_message', hear);
    }
  }

  /** A connection that is closed already sends no event. */
  async #close(): Promise<void> {
    await Promise.race([this.#inner.client.disconnect(), sleep(LONGEST_CLOSE, undefined, { ref: false })]);
  }

  /** Once per reason: it may stay the same for hours. */
  #tell({ code, message }: KronaError): void {
    if (code !== this.#told) this.#options.log.warn({ code }, `Slack: no connection: ${code}: ${message}`);
    this.#told = code;
  }

  /** Returns false when there is no connection yet. */
  async #connect(): Promise<boolean> {
    const { signal } = this.#stopping;
    if (signal.aborted) return false;
    try {
      await this.#open();
      if (!signal.aborted) return true;
      await this.#close();
    } catch (error) {
      this.#tell(connectionError(error));
    }
    return false;
  }
}

function ended(reason: string | null, cause: unknown): KronaError {
  const what =
    reason === TOO_MANY ? 'the app has 10 already, the most that Slack allows. Run one bot per app' : reason;
  return new KronaError(
    'SLACK_CONNECTION_ENDED',
    `Slack ended a new connection: ${what ?? 'it gave no reason'}. Krona tries again.`,
    { cause, retryable: true },
  );
}

const silent = (): KronaError =>
  new KronaError(
    'SLACK_SILENT',
    'Slack opened a connection and sent nothing on it. Krona tries again; see https://slack-status.com.',
    { retryable: true },
  );

const DISCONNECT = v.object({ type: v.literal('disconnect'), reason: v.string() });

/** The reason in a message that ends the connection; undefined in any other. */
function disconnectReason(data: unknown): string | undefined {
  const text =
    typeof data === 'string' ? data : data instanceof Uint8Array ? Buffer.from(data).toString() : '';
  const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), DISCONNECT), text);
  return success ? output.reason : undefined;
}

/** Why there is no connection. */
function connectionError(error: unknown): KronaError {
  if (isTokenDead(error) || NOT_ACCEPTED.includes(reasonOf(error) ?? ''))
    return tokenInvalid('SLACK_APP_TOKEN', error);
  if (error instanceof KronaError) return error;
  return toKronaError(error, 'apps.connections.open');
}
