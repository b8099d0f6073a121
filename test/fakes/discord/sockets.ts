/** @file Discord's gateway: sessions over WebSocket that are identified, resumed with what they missed, or lost. */
import type { IncomingMessage, Server } from 'node:http';
import { GatewayIntentBits, GatewayOpcodes } from 'discord-api-types/v10';
import { WebSocket, WebSocketServer } from 'ws';
import type { Platform } from './platform.ts';

interface Session {
  readonly id: string;
  readonly shard: readonly [number, number];
  readonly intents: number;
  readonly sent: { op: number; t: string; s: number; d: object }[];
  socket: WebSocket | null;
}

/** Intents that a bot must have asked for to be told of an event. */
const NEEDED: Readonly<Record<string, number>> = {
  MESSAGE_REACTION_ADD: GatewayIntentBits.GuildMessageReactions,
  MESSAGE_REACTION_REMOVE: GatewayIntentBits.GuildMessageReactions,
  MESSAGE_REACTION_REMOVE_ALL: GatewayIntentBits.GuildMessageReactions,
  CHANNEL_UPDATE: GatewayIntentBits.Guilds,
  CHANNEL_DELETE: GatewayIntentBits.Guilds,
  CHANNEL_CREATE: GatewayIntentBits.Guilds,
  THREAD_CREATE: GatewayIntentBits.Guilds,
  THREAD_UPDATE: GatewayIntentBits.Guilds,
};

const PRIVILEGED =
  GatewayIntentBits.MessageContent | GatewayIntentBits.GuildMembers | GatewayIntentBits.GuildPresences;

export class GatewaySockets {
  readonly sessions = new Map<string, Session>();
  /** Connections are refused. */
  down = false;
  /** Connections of that time. */
  failed = 0;
  resumed = 0;
  /** Servers of the bot's that Discord can't reach: it never tells more of them. */
  readonly unavailable: string[] = [];
  identified = 0;
  readonly #platform: Platform;
  readonly #server = new WebSocketServer({ noServer: true });

  constructor(platform: Platform) {
    this.#platform = platform;
    platform.tell = (event, data) => this.#tell(event, data);
  }

  listen(http: Server): void {
    http.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (this.down) {
        this.failed++;
        return void socket.destroy();
      }
      this.#server.handleUpgrade(request, socket, head, (each) => this.#welcome(each));
    });
  }

  get url(): string {
    return this.#platform.origin.replace('http', 'ws');
  }

  #welcome(socket: WebSocket): void {
    const send = (payload: object) => socket.send(JSON.stringify(payload));
    send({ op: GatewayOpcodes.Hello, d: { heartbeat_interval: 41_250 }, s: null, t: null });
    socket.on('message', (raw: Buffer) => {
      const { op, d } = JSON.parse(raw.toString()) as { op: GatewayOpcodes; d: Record<string, unknown> };
      if (op === GatewayOpcodes.Heartbeat)
        send({ op: GatewayOpcodes.HeartbeatAck, d: null, s: null, t: null });
      else if (op === GatewayOpcodes.Identify) this.#identify(socket, d);
      else if (op === GatewayOpcodes.Resume) this.#resume(socket, d);
      else this.#platform.violations.push(`gateway: op ${op} is not expected`);
    });
  }

  #identify(socket: WebSocket, d: Record<string, unknown>): void {
    if (d['token'] !== this.#platform.token) return socket.close(4004, 'Authentication failed.');
    const intents = Number(d['intents']);
    if (intents & PRIVILEGED) {
      this.#platform.violations.push('gateway: a privileged intent');
      return socket.close(4014, 'Disallowed intent(s).');
    }
    this.identified++;
    const shard = (d['shard'] ?? [0, 1]) as [number, number];
    const session: Session = { id: this.#platform.newId(), shard, intents, sent: [], socket };
    this.sessions.set(session.id, session);
    const { applicationId: id, bot, guildId } = this.#platform;
    const here = this.#platform.joined && this.#shardOf(shard[1]) === shard[0];
    this.#send(session, 'READY', {
      v: 10,
      user: this.#platform.userData(bot),
      guilds: [...(here ? [guildId] : []), ...this.unavailable].map((id) => ({ id, unavailable: true })),
      session_id: session.id,
      resume_gateway_url: this.url,
      shard,
      application: { id, flags: 0 },
    });
    if (here) this.#send(session, 'GUILD_CREATE', this.#platform.guildData());
  }

  #resume(socket: WebSocket, d: Record<string, unknown>): void {
    const session = this.sessions.get(String(d['session_id']));
    if (d['token'] !== this.#platform.token) return socket.close(4004, 'Authentication failed.');
    if (!session) {
      socket.send(JSON.stringify({ op: GatewayOpcodes.InvalidSession, d: false, s: null, t: null }));
      return;
    }
    this.resumed++;
    session.socket = socket;
    for (const packet of session.sent) if (packet.s > Number(d['seq'])) socket.send(JSON.stringify(packet));
    this.#send(session, 'RESUMED', {});
  }

  #send(session: Session, t: string, d: object): void {
    const packet = { op: GatewayOpcodes.Dispatch, t, s: session.sent.length + 1, d };
    session.sent.push(packet);
    if (session.socket?.readyState === WebSocket.OPEN) session.socket.send(JSON.stringify(packet));
  }

  #shardOf(count: number): number {
    return Number((BigInt(this.#platform.guildId) >> 22n) % BigInt(count));
  }

  #tell(event: string, data: object): void {
    const needed = NEEDED[event] ?? 0;
    for (const session of this.sessions.values())
      if (this.#shardOf(session.shard[1]) === session.shard[0] && (session.intents & needed) === needed)
        this.#send(session, event, data);
  }

  /** Cuts all connections. @param forget sessions, too, so that none can be resumed */
  drop(forget: boolean): void {
    for (const session of this.sessions.values()) {
      session.socket?.terminate();
      session.socket = null;
    }
    if (forget) this.sessions.clear();
  }

  /** The token is no longer valid: whoever is connected with it is put out. */
  revoke(): void {
    for (const { socket } of this.sessions.values()) socket?.close(4004, 'Authentication failed.');
    this.sessions.clear();
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }
}
