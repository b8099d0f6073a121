/**
 * @file Events over HTTP, at `/slack/events` of the bot's own server. Every request is checked against the signing
 * secret before it is read. https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
import { type App, type Receiver, type ReceiverEvent, verifySlackRequest } from '@slack/bolt';
import type { Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { isJsonObject } from '../../core/json-object.ts';
import type { Log } from '../../core/log.ts';

const MAX_BODY = 1024 * 1024;
/** Slack waits 3 s and ignores later answers. */
const LATEST_ANSWER = 2_900;

type Body = Record<string, unknown>;

export class HttpReceiver implements Receiver {
  readonly #signingSecret: string;
  readonly #log: Log;
  #app: Pick<App, 'processEvent'> | null = null;
  #open = false;

  /** Slack comes to the bot's server, so that it listens is all that the bot knows. */
  get isConnected(): boolean {
    return this.#open;
  }

  constructor(signingSecret: string, log: Log) {
    this.#signingSecret = signingSecret;
    this.#log = log;
  }

  /** Adds the route; before `start` and after `stop` it asks Slack to try again. */
  mount(server: Hono): void {
    server.post('/slack/events', bodyLimit({ maxSize: MAX_BODY }), (context) => this.#answer(context));
  }

  init(app: Pick<App, 'processEvent'>): void {
    this.#app = app;
  }

  async start(): Promise<void> {
    this.#open = true;
  }

  async stop(): Promise<void> {
    this.#open = false;
  }

  async #answer(context: Context): Promise<Response> {
    const text = await context.req.text();
    if (!this.#isGenuine(context, text)) return context.text('This request is not signed by Slack.', 401);
    const body = parseBody(context.req.header('content-type') ?? '', text);
    if (body === null) return context.text('This request is neither an object in JSON nor a form.', 400);
    if (body['type'] === 'url_verification') return context.json({ challenge: body['challenge'] });
    if (body['ssl_check'] !== undefined) return context.body(null, 200);
    const app = this.#app;
    if (!this.#open || app === null) return context.text('Krona is starting or stopping.', 503);
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(context.text('Krona is busy.', 503)), LATEST_ANSWER);
      const event: ReceiverEvent = {
        body,
        ack: async (answer: unknown) => {
          clearTimeout(late);
          resolve(
            answer === undefined || answer === ''
              ? context.body(null, 200)
              : typeof answer === 'string'
                ? context.text(answer)
                : context.json(answer as object),
          );
        },
        retryNum: Number(context.req.header('x-slack-retry-num') ?? 0),
        retryReason: context.req.header('x-slack-retry-reason') ?? '',
      };
      app.processEvent(event).catch((error: unknown) => {
        this.#log.error({ error }, 'Slack: an event could not be handled');
      });
    });
  }

  #isGenuine(context: Context, body: string): boolean {
    const signature = context.req.header('x-slack-signature');
    const time = context.req.header('x-slack-request-timestamp');
    if (!signature || !time || !/^\d+$/.test(time)) return false;
    try {
      verifySlackRequest({
        signingSecret: this.#signingSecret,
        body,
        headers: { 'x-slack-signature': signature, 'x-slack-request-timestamp': Number(time) },
      });
      return true;
    } catch {
      return false;
    }
  }
}

/** Events are JSON; commands are a form, and interactions JSON in a form. */
function parseBody(type: string, text: string): Body | null {
  const form = type.startsWith('application/json') ? null : new URLSearchParams(text);
  const json = form === null ? text : form.get('payload');
  if (json === null) return Object.fromEntries(form ?? []);
  try {
    const value: unknown = JSON.parse(json);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
