/**
 * @file How Slack reaches the app: one of its open WebSockets (Socket Mode), or a signed request. An acknowledgement
 * later than 3 s is none; events then come again at once, after 1 min and after 5 min, with the same event_id.
 */
import { createHmac } from 'node:crypto';
import type { WebSocket } from 'ws';
import { APP_ID, type Json, SIGNING_SECRET, TEAM, type Workspace } from './workspace.ts';

const ACK_WITHIN = 3_000;
const EVENT_RETRIES = [0, 60_000, 300_000];

type Kind = 'slash_commands' | 'interactive' | 'events_api';

interface Envelope {
  readonly kind: Kind;
  readonly id: string;
  readonly payload: Json;
}

export class Wire {
  readonly #workspace: Workspace;
  readonly #sockets = new Set<WebSocket>();
  readonly #waiting = new Map<string, (answer: Json) => void>();
  #last: Envelope | null = null;
  readonly #events: Json[] = [];
  /** Connections to come that Slack ends with a reason, does not greet, or greets and loses at once. */
  greeting: { how: 'none' | 'too_many_websockets' | 'short'; times: number } = { how: 'none', times: 0 };
  /** Where requests go; null: Socket Mode. */
  requestUrl: string | null = null;
  /** No connection can be opened: Slack, or the network, is down. */
  down = false;
  /** Requests of the app's or to it while one of the two was away. */
  failed = 0;
  /** Time from sending to acknowledgement, ms, of everything that was sent. */
  readonly acks: number[] = [];

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  connect(socket: WebSocket): void {
    if (this.greeting.times > 0) {
      this.greeting.times -= 1;
      if (this.greeting.how === 'short') {
        this.#greet(socket, () => socket.terminate());
        return;
      }
      // One that is silent stays open; the app has to give it up.
      if (this.greeting.how !== 'none')
        socket.send(JSON.stringify({ type: 'disconnect', reason: this.greeting.how }), () => socket.close());
      return;
    }
    this.#sockets.add(socket);
    this.#greet(socket);
    socket.on('message', (data: Buffer) => {
      const { envelope_id: id, payload } = JSON.parse(data.toString()) as {
        envelope_id?: string;
        payload?: Json;
      };
      const waiting = this.#waiting.get(id ?? '');
      if (waiting) waiting(payload ?? {});
    });
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #greet(socket: WebSocket, then = () => {}): void {
    const hello = {
      type: 'hello',
      num_connections: this.#sockets.size,
      connection_info: { app_id: APP_ID },
      debug_info: { host: 'fake' },
    };
    socket.send(JSON.stringify(hello), then);
  }

  sendRaw(text: string): void {
    for (const socket of this.#sockets) socket.send(text);
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Ends all connections: with a word before, as Slack does when it renews them, or without, as a network does. */
  disconnect(politely: boolean): void {
    for (const socket of this.#sockets)
      if (politely) socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }));
      else socket.terminate();
  }

  /** Sends something that a member waits on. Null: the app did not acknowledge it in time. */
  async ask(kind: Exclude<Kind, 'events_api'>, payload: Json): Promise<Json | null> {
    const envelope = { kind, id: this.#workspace.id('env'), payload };
    this.#last = envelope;
    return this.#send(envelope, null);
  }

  /** Tells of an event, again and again until the app acknowledges. */
  event(event: Json): void {
    const payload = {
      type: 'event_callback',
      event_id: this.#workspace.id('Ev'),
      event_time: Math.floor(this.#workspace.now() / 1000),
      team_id: TEAM,
      api_app_id: APP_ID,
      authorizations: [{ team_id: TEAM, user_id: 'U0KRONABOT', is_bot: true }],
      event,
    };
    this.#events.push(payload);
    const attempt = async (tries: number): Promise<void> => {
      const envelope = { kind: 'events_api' as const, id: this.#workspace.id('env'), payload };
      this.#last = envelope;
      const answer = await this.#send(envelope, tries === 0 ? null : tries);
      const pause = EVENT_RETRIES[tries];
      if (answer === null && pause !== undefined) this.#workspace.after(pause, () => void attempt(tries + 1));
    };
    void attempt(0);
  }

  /** Sends the last thing once more, as happens when an acknowledgement was lost on its way. */
  async again(): Promise<boolean> {
    return this.#last !== null && (await this.#send(this.#last, 1)) !== null;
  }

  /**
   * Sends an earlier event again, which the app did not acknowledge in time at first: with an event id that it has not
   * seen, as when that process has died.
   *
   * @param back - 1: the last event
   */
  async late(back: number): Promise<boolean> {
    const payload = { ...this.#events.at(-back), event_id: this.#workspace.id('Ev') };
    const envelope = { kind: 'events_api' as const, id: this.#workspace.id('env'), payload };
    return (await this.#send(envelope, 1)) !== null;
  }

  async #send(envelope: Envelope, retry: number | null): Promise<Json | null> {
    const begun = this.#workspace.now();
    const answer = await Promise.race([
      this.requestUrl === null
        ? this.#overSocket(envelope, retry)
        : this.#overHttp(this.requestUrl, envelope, retry),
      new Promise<null>((resolve) => this.#workspace.after(ACK_WITHIN, () => resolve(null))),
    ]);
    this.#waiting.delete(envelope.id);
    if (answer !== null) this.acks.push(this.#workspace.now() - begun);
    return answer;
  }

  async #overSocket({ kind, id, payload }: Envelope, retry: number | null): Promise<Json | null> {
    const open = [...this.#sockets];
    if (open.length === 0) return null;
    const socket = open[Math.floor(Math.random() * open.length)]!;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      socket.send(
        JSON.stringify({
          envelope_id: id,
          type: kind,
          accepts_response_payload: kind !== 'events_api',
          ...(retry !== null && { retry_attempt: retry, retry_reason: 'timeout' }),
          payload,
        }),
      );
    });
  }

  async #overHttp(url: string, { kind, payload }: Envelope, retry: number | null): Promise<Json | null> {
    const body =
      kind === 'events_api'
        ? JSON.stringify(payload)
        : kind === 'interactive'
          ? new URLSearchParams({ payload: JSON.stringify(payload) }).toString()
          : new URLSearchParams(payload).toString();
    const time = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', SIGNING_SECRET).update(`v0:${time}:${body}`).digest('hex');
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: {
          'content-type': kind === 'events_api' ? 'application/json' : 'application/x-www-form-urlencoded',
          'x-slack-request-timestamp': time,
          'x-slack-signature': `v0=${signature}`,
          ...(retry !== null && {
            'x-slack-retry-num': String(retry),
            'x-slack-retry-reason': 'http_timeout',
          }),
        },
      });
      const text = await response.text();
      if (!response.ok) return null;
      return text === '' ? {} : (JSON.parse(text) as Json);
    } catch {
      this.failed++;
      return null;
    }
  }
}
