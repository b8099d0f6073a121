/**
 * @file The fake Slack as a process: Web API, files, WebSocket and answer addresses on one loopback port, and, for the
 * test alone, what people and administrators do (`/do/<what>`) and what can be seen (`/see`).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { type Host, METHODS, readArguments, Refusal } from './methods.ts';
import { type GivenFile, NotPossible, People } from './people.ts';
import { Wire } from './wire.ts';
import { APP_TOKEN, BOT_TOKEN, BOT_USER, type Json, TEAM, Workspace } from './workspace.ts';

const MESSAGE_EVERY = 1_000;
/** chat.update is a tier 3 method: some fifty a minute. */
const UPDATES_A_MINUTE = 60;

const workspace = new Workspace();
const wire = new Wire(workspace);
const server = createServer((request, response) => void serve(request, response));
// On a busy machine a connection may rest for longer than Node's 5 s, and a large file would break off on it.
server.keepAliveTimeout = 60_000;
const sockets = new WebSocketServer({ noServer: true });
const lastMessage = new Map<string, number>();
const updates: number[] = [];
/** Methods that are to be limited, refused or unanswered, a number of times. */
/** Limits that a fault has told of, by method and channel, in the machine's time. */
const limits = new Map<string, { readonly told: number; readonly until: number }>();
/** Calls that were under way when a limit was told are no offence, ms. */
const UNDER_WAY = 1_000;
/** A limit of 0 s comes without its time. */
const faults = new Map<string, { kind: 'limit' | 'lose' | 'refuse'; times: number; value: string }>();

const host: Host = {
  workspace,
  get address() {
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
  socketUrl() {
    const ticket = workspace.id('ticket');
    tickets.add(ticket);
    return `${host.address.replace('http', 'ws')}/link/?ticket=${ticket}`;
  },
  useTrigger(id) {
    const trigger = people.takeTrigger(id);
    if (!trigger) throw new Refusal('invalid_trigger_id');
    if (trigger.expired) throw new Refusal('expired_trigger_id');
    return trigger.user;
  },
};
const people = new People(host, wire);
const tickets = new Set<string>();

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const bearer = (request: IncomingMessage): string =>
  request.headers.authorization?.replace(/^Bearer /, '') ?? '';

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://fake');
  const [, root, rest = ''] = /^\/([^/]*)\/?(.*)$/.exec(url.pathname)!;
  const body = await bodyOf(request);
  const json = (status: number, value: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };
  // Without a network nothing of Slack answers; the test's own doors stay open.
  if (wire.down && root !== 'do' && root !== 'see') {
    wire.failed++;
    return void response.socket!.destroy();
  }
  try {
    if (root === 'api') return callMethod(request, response, rest, body.toString());
    if (root === 'upload') return takeUpload(response, rest, url, body);
    if (root === 'files-pri') return giveFile(request, response, rest);
    if (root === 'answers')
      return void response.writeHead(people.respond(rest, JSON.parse(body.toString()) as Json)).end('ok');
    if (root === 'do')
      return json(200, { result: (await act(rest, JSON.parse(body.toString()) as Json)) ?? null });
    if (root === 'see') return json(200, see());
    workspace.problem(`${request.method} ${url.pathname} is not an address of Slack`);
    json(404, {});
  } catch (error) {
    if (error instanceof NotPossible) return json(422, { notPossible: error.message });
    json(500, { error: String((error as Error).stack) });
    workspace.problem(String((error as Error).stack));
  }
}

function callMethod(request: IncomingMessage, response: ServerResponse, name: string, body: string): void {
  const headers = { 'content-type': 'application/json', 'x-oauth-scopes': [...workspace.scopes].join(',') };
  const refuse = (code: string, more: Json = {}) => {
    response.writeHead(200, headers).end(JSON.stringify({ ok: false, error: code, ...more }));
  };
  const method = METHODS[name];
  if (!method) {
    workspace.problem(`${name} is not a method that the fake knows`);
    return refuse('unknown_method');
  }
  workspace.calls.set(name, (workspace.calls.get(name) ?? 0) + 1);
  const token = bearer(request);
  if (method.app ? token !== APP_TOKEN || !workspace.appTokenAlive : token !== BOT_TOKEN)
    return refuse('invalid_auth');
  if (!method.app && !workspace.tokenAlive) return refuse('token_revoked');
  const needed = method.scope;
  if (needed !== undefined && !workspace.scopes.has(needed))
    return refuse('missing_scope', { needed, provided: [...workspace.scopes].join() });
  const fault = faults.get(name);
  if (fault && --fault.times < 1) faults.delete(name);
  const seconds = fault?.kind === 'limit' ? Number(fault.value) : rateLimit(name, body);
  const key = `${name} ${new URLSearchParams(body).get('channel') ?? ''}`;
  const limit = limits.get(key);
  if (limit && Date.now() > limit.told + UNDER_WAY && Date.now() < limit.until)
    workspace.problem(`${name} was called again before its limit was over`);
  if (fault?.kind === 'limit') limits.set(key, { told: Date.now(), until: Date.now() + seconds * 1000 - 20 });
  if (seconds > 0 || fault?.kind === 'limit') {
    workspace.limited.set(name, (workspace.limited.get(name) ?? 0) + 1);
    response
      .writeHead(429, { ...headers, ...(seconds > 0 && { 'retry-after': String(seconds) }) })
      .end('{"ok":false,"error":"ratelimited"}');
    return;
  }
  if (fault?.kind === 'refuse') return refuse(fault.value);
  try {
    const args = readArguments(workspace, name, method, new URLSearchParams(body));
    const result = method.run(args, host);
    if (fault?.kind === 'lose') return void response.socket!.destroy();
    response.writeHead(200, headers).end(JSON.stringify({ ok: true, ...result }));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(error.message, error.more);
  }
}

/** Seconds to wait; 0: go on. */
function rateLimit(name: string, body: string): number {
  const now = workspace.now();
  if (name === 'chat.postMessage') {
    const channel = new URLSearchParams(body).get('channel')!;
    if (now - (lastMessage.get(channel) ?? 0) < MESSAGE_EVERY) return 1;
    lastMessage.set(channel, now);
  }
  if (name === 'chat.update') {
    while (updates.length > 0 && updates[0]! < now - 60_000) updates.shift();
    if (updates.length >= UPDATES_A_MINUTE) return 5;
    updates.push(now);
  }
  return 0;
}

function takeUpload(response: ServerResponse, id: string, url: URL, body: Buffer): void {
  const file = workspace.files.get(id);
  if (!file || file.bytes !== null || body.length !== Number(url.searchParams.get('length'))) {
    workspace.problem(`${body.length} bytes were uploaded to ${id}, which does not expect them`);
    return void response.writeHead(400).end();
  }
  file.bytes = body;
  response.writeHead(200).end(`OK - ${body.length}`);
}

const LOGIN_PAGE =
  '<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to Fake</body></html>';

function giveFile(request: IncomingMessage, response: ServerResponse, rest: string): void {
  const id = /^[^-]+-([^/]+)/.exec(rest)?.[1] ?? '';
  const file = workspace.files.get(id);
  const mayRead = bearer(request) === BOT_TOKEN && workspace.tokenAlive && workspace.scopes.has('files:read');
  // Slack shows its page to sign in, and calls that a success.
  if (!mayRead)
    return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(LOGIN_PAGE);
  if (!file || file.deleted || file.bytes === null || !workspace.appSees(file))
    return void response.writeHead(404, { 'content-type': 'text/html' }).end(LOGIN_PAGE);
  response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file.bytes);
}

type Deed = (given: Json) => unknown;

/** What people do, and what administrators do about the app. */
const DEEDS: Readonly<Record<string, Deed>> = {
  command: ({ user, channel, text }) => people.command(String(user), String(channel), String(text)),
  say: ({ user, channel, text, files }) =>
    people.say(String(user), String(channel), String(text), files as GivenFile[]),
  shortcut: ({ user, channel, ts, callback }) =>
    people.shortcut(String(user), String(channel), String(ts), String(callback)),
  suggestions: ({ user, block, typed }) => people.suggestions(String(user), String(block), String(typed)),
  submit: ({ user, values, files }) =>
    people.submit(String(user), values as Record<string, string>, files as GivenFile[]),
  closeForm: ({ user }) => workspace.forms.delete(String(user)),
  press: ({ user, channel, ts, label }) =>
    people.press(String(user), String(channel), String(ts), String(label)),
  react: ({ user, channel, ts, name, added }) =>
    people.react(String(user), String(channel), String(ts), String(name), added === true),
  openHome: ({ user }) => people.openHome(String(user)),
  deleteMessage: ({ user, channel, ts }) => people.deleteMessage(String(user), String(channel), String(ts)),

  /** An id can be given: those of two workspaces may be the same. */
  addUser({ name, admin, bot, team, id: its }) {
    const id = typeof its === 'string' ? its : workspace.id('U');
    workspace.users.set(id, {
      id,
      name: String(name).toLowerCase(),
      realName: String(name),
      admin: admin === true,
      bot: bot === true,
      team: String(team ?? TEAM),
      left: false,
    });
    return id;
  },
  addChannel({ name, members, isPrivate, withBot, kind = 'channel', id: its }) {
    const first = kind === 'im' ? 'D' : isPrivate === true || kind === 'mpim' ? 'G' : 'C';
    const id = typeof its === 'string' ? its : workspace.id(first);
    const all = new Set([...(members as string[]), ...(withBot === false ? [] : [BOT_USER])]);
    const channel = { id, name: String(name), kind: kind as 'channel', members: all, messages: [] };
    workspace.channels.set(id, { ...channel, archived: false, deleted: false, restricted: false });
    return id;
  },
  channel({ channel, ...change }) {
    const found = workspace.channels.get(String(channel))!;
    if (change['bot'] === true) found.members.add(BOT_USER);
    if (change['bot'] === false) found.members.delete(BOT_USER);
    if (change['join'] !== undefined) found.members.add(String(change['join']));
    for (const key of ['archived', 'deleted', 'restricted'] as const)
      if (change[key] !== undefined) found[key] = change[key] === true;
  },
  /** A member is deactivated, and in no channel any more. */
  leave({ user }) {
    workspace.users.get(String(user))!.left = true;
    for (const { members } of workspace.channels.values()) members.delete(String(user));
  },
  lockMessage: ({ channel, ts }) => void (workspace.message(String(channel), String(ts))!.locked = true),
  deleteFile: ({ file }) => void (workspace.files.get(String(file))!.deleted = true),
  addGroup: ({ id, handle, users }) =>
    void workspace.groups.set(String(id), { handle: String(handle), users: users as string[] }),
  onlyTrigger: ({ id }) => void (workspace.onlyTrigger = id as string | null),
  declareCommand: (change) => void Object.assign(workspace.command, change),
  tokens({ bot, app }) {
    if (bot !== undefined) workspace.tokenAlive = bot === true;
    if (app !== undefined) workspace.appTokenAlive = app === true;
  },
  scope({ name, granted }) {
    if (granted === true) workspace.scopes.add(String(name));
    else workspace.scopes.delete(String(name));
  },
  fault: ({ method, kind, times, value }) =>
    void (times === 0
      ? faults.delete(String(method))
      : faults.set(String(method), { kind: kind as 'limit', times: Number(times), value: String(value) })),
  down({ down }) {
    wire.down = down === true;
    if (wire.down) wire.disconnect(false);
  },
  disconnect: ({ politely }) => wire.disconnect(politely === true),
  /** The workspace removes the app. */
  uninstall() {
    workspace.tokenAlive = false;
    wire.event({ type: 'app_uninstalled' });
  },
  /** Tells of anything. */
  event: ({ event }) => wire.event(event as Json),
  again: () => wire.again(),
  /** Slack sends the n-th last event again, as another event id could not be acknowledged. */
  late: ({ back }) => wire.late(Number(back)),
  /** Something that is no message of Slack's. */
  raw: ({ text }) => wire.sendRaw(String(text)),
  greeting: ({ how, times }) => void (wire.greeting = { how: how as 'none', times: Number(times) }),
  http: ({ url }) => void (wire.requestUrl = url as string | null),
  advance: ({ ms }) => workspace.advance(Number(ms)),
  fileDelay: ({ ms }) => void (workspace.fileDelay = Number(ms)),
};

async function act(what: string, given: Json): Promise<unknown> {
  const deed = DEEDS[what];
  if (!deed) throw new Error(`the fake cannot ${what}`);
  return deed(given);
}

function see(): Json {
  return {
    problems: workspace.problems,
    calls: Object.fromEntries(workspace.calls),
    limited: Object.fromEntries(workspace.limited),
    connections: wire.connections,
    tries: wire.failed,
    acks: wire.acks,
    channels: Object.fromEntries([...workspace.channels].map(([id, { messages }]) => [id, messages])),
    ephemerals: workspace.ephemerals,
    forms: Object.fromEntries(workspace.forms),
    homes: Object.fromEntries(workspace.homes),
    files: [...workspace.files.values()].map(({ bytes, ...file }) => ({ ...file, size: bytes?.length ?? 0 })),
  };
}

server.on('upgrade', (request, socket, head) => {
  const ticket = new URL(request.url!, 'http://fake').searchParams.get('ticket') ?? '';
  // An address is good for one connection.
  if (!tickets.delete(ticket) || wire.down) return void socket.destroy();
  sockets.handleUpgrade(request, socket, head, (open) => wire.connect(open));
});
setInterval(() => {
  for (const socket of sockets.clients) socket.ping();
}, 5_000).unref();
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => process.send!(host.address));
