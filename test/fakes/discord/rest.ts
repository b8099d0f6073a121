/**
 * @file Discord's REST interface and its file server, as far as a bot like Krona may use them: real HTTP, with
 * rate limits in their headers and refusals with Discord's codes. Routes that are not here fail the test.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type APIMessageTopLevelComponent, MessageFlags } from 'discord-api-types/v10';
import {
  emojiData,
  HOUR,
  type Message,
  MINUTE,
  type Platform,
  Refusal,
  type StoredFile,
  type StoredInteraction,
} from './platform.ts';
import {
  callbackProblem,
  commandsProblem,
  formProblem,
  messageProblem,
  SCHEMAS,
  type SchemaName,
  schemaProblem,
} from './rules.ts';

const MIB = 1024 ** 2;
const ACKNOWLEDGE_WITHIN = 3_000;
const TOKEN_LIFE = 15 * MINUTE;
const NONCES_KNOWN_FOR = 5 * MINUTE;
/** Edits that are taken of a message older than an hour. */
const EDITS_WHEN_OLD = 3;

/** A rule that a test sets for requests to come. */
export interface Trouble {
  readonly method: string;
  /** Matched against the path. */
  readonly path: RegExp;
  /** `failed after`: it is done, and a proxy in between answers 502. `limited` without `retryAfter` says no time. */
  readonly kind: 'limited' | 'lost' | 'answer lost' | 'failed' | 'failed after';
  /** Seconds, of a limit; null: the answer does not say. */
  readonly retryAfter: number | null;
  readonly scope: 'user' | 'shared';
  times: number;
}

/** Requests that were under way when the limit was told are no offence, ms. */
const UNDER_WAY = 1_000;

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly files: { name: string; bytes: Buffer }[];
  readonly authorized: boolean;
}

type Handler = (request: Request, ...parts: string[]) => object | null;

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly handle: Handler;
  /** Requests in how many ms; counted by the route with its first id. */
  readonly limit?: readonly [requests: number, ms: number];
  /** Without the bot's token: the token is in the path. */
  readonly open?: boolean;
}

export class RestServer {
  readonly troubles: Trouble[] = [];
  readonly requests: string[] = [];
  /** Nobody gets an answer: the network is gone. */
  down = false;
  /** Requests of that time. */
  failed = 0;
  /** Limits that stand, in the machine's time. */
  readonly limits: { readonly trouble: Trouble; readonly told: number; readonly until: number }[] = [];
  readonly #platform: Platform;
  readonly #gatewayUrl: () => string;
  readonly #recommendedShards: () => number;
  readonly #spent = new Map<string, number[]>();
  readonly server: Server;

  constructor(platform: Platform, gatewayUrl: () => string, recommendedShards: () => number) {
    this.#platform = platform;
    this.#gatewayUrl = gatewayUrl;
    this.#recommendedShards = recommendedShards;
    this.server = createServer((request, response) => void this.#serve(request, response));
  }

  get #routes(): readonly Route[] {
    const messages = '/channels/(\\d+)/messages';
    const callback = '/webhooks/(\\d+)/([\\w.-]+)';
    const route = (method: string, path: string, handle: Handler, more: Partial<Route> = {}): Route => ({
      method,
      pattern: new RegExp(`^${path}$`),
      handle,
      ...more,
    });
    return [
      route('GET', '/gateway/bot', () => this.#gatewayBot()),
      route('GET', '/applications/@me', () => ({ id: this.#platform.applicationId, name: 'Krona' })),
      route('GET', '/applications/(\\d+)/commands', () => this.#platform.commands.global),
      route('PUT', '/applications/(\\d+)/commands', (r) => this.#register(r)),
      route('PUT', '/applications/(\\d+)/guilds/(\\d+)/commands', (r, _, guild) => this.#register(r, guild)),
      route('GET', '/users/(\\d+)', (_, id) => this.#platform.userData(this.#platform.user(id))),
      route('POST', messages, (r, channel) => this.#post(r, channel), { limit: [5, 1000] }),
      route('GET', messages, (r, channel) => this.#list(r, channel), { limit: [5, 1000] }),
      route('GET', `${messages}/(\\d+)`, (_, channel, id) => this.#read(channel, id), { limit: [5, 1000] }),
      route('PATCH', `${messages}/(\\d+)`, (r, channel, id) => this.#edit(r, channel, id), {
        limit: [5, 1000],
      }),
      route('DELETE', `${messages}/(\\d+)`, (_, channel, id) => this.#delete(channel, id), {
        limit: [5, 1000],
      }),
      route('PATCH', '/channels/(\\d+)', (r, channel) => this.#wake(r, channel)),
      route(
        'PUT',
        `${messages}/(\\d+)/reactions/([^/]+)/@me`,
        (_, c, id, emoji) => this.#react(c, id, emoji),
        {
          limit: [1, 100],
        },
      ),
      route('GET', `${messages}/(\\d+)/reactions/([^/]+)`, (r, c, id, emoji) =>
        this.#reacted(r, c, id, emoji),
      ),
      route(
        'POST',
        '/interactions/(\\d+)/([\\w.-]+)/callback',
        (r, id, token) => this.#callback(r, id, token),
        {
          open: true,
        },
      ),
      route('PATCH', `${callback}/messages/@original`, (r, _, token) => this.#editOriginal(r, token), {
        open: true,
      }),
      route('DELETE', `${callback}/messages/@original`, (_r, _, token) => this.#deleteOriginal(token), {
        open: true,
      }),
      route('POST', callback, (r, _, token) => this.#followUp(r, token), { open: true }),
    ];
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.down) {
      this.failed++;
      return void incoming.socket.destroy();
    }
    const url = new URL(incoming.url!, this.#platform.origin);
    if (!url.pathname.startsWith('/api/v10')) return this.#serveFile(url, response);
    const path = decodeURIComponent(url.pathname.slice('/api/v10'.length));
    const method = incoming.method!;
    this.requests.push(`${method} ${path}`);
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    let losing: Trouble['kind'] | null = null;
    try {
      const request = await readRequest(incoming, path, url.searchParams, this.#platform.token);
      const now = Date.now();
      const limit = this.limits.find(
        ({ trouble, told, until }) =>
          trouble.method === method && trouble.path.test(path) && now > told + UNDER_WAY && now < until,
      );
      if (limit) this.#platform.violations.push(`${method} ${path}: again before the limit was over`);
      const trouble = this.troubles.find(
        (each) => each.times > 0 && each.method === method && each.path.test(path),
      );
      if (trouble) {
        trouble.times--;
        if (trouble.kind === 'limited' && trouble.retryAfter === null) {
          response.writeHead(429, { 'content-type': 'text/html' }).end('<h1>error code: 1015</h1>');
          return;
        }
        if (trouble.kind === 'limited' && trouble.retryAfter !== null) {
          // The clocks of two processes on one machine differ by no more than their ticks.
          this.limits.push({ trouble, told: now, until: now + trouble.retryAfter * 1000 - 20 });
          headers['retry-after'] = String(trouble.retryAfter);
          headers['x-ratelimit-scope'] = trouble.scope;
          throw new Refusal(429, 0, 'You are being rate limited.', {
            retry_after: trouble.retryAfter,
            global: false,
          });
        }
        if (trouble.kind === 'lost') return void incoming.socket.destroy();
        if (trouble.kind === 'failed') return void response.writeHead(502).end('Bad Gateway');
        losing = trouble.kind;
      }
      for (const { method: wanted, pattern, handle, limit, open } of this.#routes) {
        const match = wanted === method ? pattern.exec(path) : null;
        if (!match) continue;
        if (open && incoming.headers.authorization !== undefined)
          this.#platform.violations.push(`${method} ${path}: the bot's token where none belongs`);
        if (!open && !request.authorized) throw new Refusal(401, 0, '401: Unauthorized');
        if (limit) this.#spend(`${wanted} ${pattern.source} ${match[1]}`, limit, headers);
        const answer = handle(request, ...match.slice(1));
        if (losing === 'answer lost') return void incoming.socket.destroy();
        if (losing === 'failed after') return void response.writeHead(502).end('Bad Gateway');
        if (answer === null) delete headers['content-type'];
        response.writeHead(answer === null ? 204 : 200, headers);
        return void response.end(answer === null ? '' : JSON.stringify(answer));
      }
      this.#platform.violations.push(`unknown route ${method} ${path}`);
      throw new Refusal(404, 0, '404: Not Found');
    } catch (error) {
      if (!(error instanceof Refusal)) {
        this.#platform.violations.push(
          `${method} ${path}: ${error instanceof Error ? error.stack : String(error)}`,
        );
        response.writeHead(500).end();
        return;
      }
      const { status, code, message, extra } = error;
      response.writeHead(status, headers).end(JSON.stringify({ code, message, ...extra }));
    }
  }

  /** @throws Refusal 429 */
  #spend(bucket: string, [most, ms]: readonly [number, number], headers: Record<string, string>): void {
    const now = Date.now();
    const spent = (this.#spent.get(bucket) ?? []).filter((at) => at > now - ms);
    const resetAfter = String(spent.length === 0 ? ms / 1000 : (spent[0]! + ms - now) / 1000);
    headers['x-ratelimit-bucket'] = Buffer.from(bucket).toString('base64url').slice(0, 40);
    headers['x-ratelimit-limit'] = String(most);
    headers['x-ratelimit-remaining'] = String(Math.max(0, most - spent.length - 1));
    headers['x-ratelimit-reset-after'] = resetAfter;
    if (spent.length >= most) {
      headers['retry-after'] = resetAfter;
      headers['x-ratelimit-scope'] = 'user';
      throw new Refusal(429, 0, 'You are being rate limited.', {
        retry_after: Number(resetAfter),
        global: false,
      });
    }
    this.#spent.set(bucket, [...spent, now]);
  }

  #serveFile(url: URL, response: ServerResponse): void {
    const file = this.#platform.files.get(url.pathname);
    const expires = url.searchParams.get('ex') ?? '';
    const signed = url.searchParams.get('hm') === this.#platform.sign(url.pathname, expires);
    if (!file || !signed || parseInt(expires, 16) * 1000 < this.#platform.now())
      return void response.writeHead(404).end('This content is no longer available.');
    response.writeHead(200, { 'content-type': file.contentType }).end(file.bytes);
  }

  #gatewayBot(): object {
    return {
      url: this.#gatewayUrl(),
      shards: this.#recommendedShards(),
      session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 16 },
    };
  }

  #register({ body }: Request, guildId?: string): object {
    const commands = body as unknown as Record<string, unknown>[];
    if (guildId !== undefined && guildId !== this.#platform.guildId)
      throw new Refusal(403, 50_001, 'Missing Access');
    const problem = commandsProblem(commands);
    if (problem !== '') this.#invalid('registration', problem);
    this.#platform.commands[guildId === undefined ? 'global' : 'guild'] = commands;
    return commands.map((command) => ({ ...command, id: this.#platform.newId(), version: '1' }));
  }

  #invalid(what: string, problem: string): never {
    this.#platform.violations.push(`${what}: ${problem}`);
    throw new Refusal(400, 50_035, `Invalid Form Body: ${problem}`);
  }

  /** Checks a message and takes in its files. @param standing files that it has already */
  #files(
    schema: SchemaName,
    { body, files }: Request,
    standing: readonly StoredFile[],
    limit: number,
  ): StoredFile[] {
    const problem = schemaProblem(SCHEMAS[schema], body);
    if (problem !== '') this.#invalid(schema, problem);
    const total = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (total > 25 * MIB || files.some(({ bytes }) => bytes.length > limit))
      throw new Refusal(413, 40_005, 'Request entity too large');
    const attachments = (body['attachments'] ?? []) as {
      id: string;
      filename?: string;
      description?: string;
    }[];
    const made = attachments.map(({ id, filename, description }): StoredFile => {
      const kept = standing.find((file) => file.id === id);
      if (kept) return kept;
      const file = files[Number(id)];
      if (!file || file.name !== filename) this.#invalid(schema, `attachment ${id} is neither new nor there`);
      return this.#platform.store({ ...file, ...(description && { description }) }, 'attachments');
    });
    if (files.length > attachments.filter(({ id }) => id.length < 3).length)
      this.#invalid(schema, 'a file that attachments do not name');
    const whole = messageProblem(
      body,
      made.map(({ filename }) => filename),
    );
    if (whole !== '') this.#invalid(schema, whole);
    return made;
  }

  #post(request: Request, channelId: string): object {
    const { body } = request;
    const thread = this.#platform.channels.get(channelId)?.parentId != null;
    const channel = this.#platform.need(channelId, thread ? 'SendMessagesInThreads' : 'SendMessages');
    if (channel.locked) throw new Refusal(403, 160_005, 'Thread is locked');
    // Whoever writes in a sleeping thread wakes it.
    channel.archived = false;
    if (request.files.length > 0) this.#platform.need(channelId, 'AttachFiles');
    const known = this.#platform.nonces.get(String(body['nonce']));
    if (body['enforce_nonce'] === true && known && this.#platform.now() - known.at < NONCES_KNOWN_FOR)
      return this.#platform.messageData(this.#platform.message(channel, known.messageId));
    const files = this.#files('createMessage', request, [], this.#platform.fileLimit);
    const message = this.#platform.addMessage(
      newMessage(this.#platform.bot.id, channelId, body, files, null),
    );
    this.#platform.nonces.set(String(body['nonce']), { messageId: message.id, at: this.#platform.now() });
    return this.#platform.messageData(message);
  }

  #list({ query }: Request, channelId: string): object {
    const channel = this.#platform.need(channelId);
    try {
      this.#platform.need(channelId, 'ReadMessageHistory');
    } catch {
      return [];
    }
    const before = BigInt(query.get('before') ?? '9'.repeat(19));
    return [...channel.messages.values()]
      .filter(({ id, onlyFor }) => onlyFor === null && BigInt(id) < before)
      .sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? 1 : -1))
      .slice(0, Number(query.get('limit') ?? 50))
      .map((message) => this.#platform.messageData(message));
  }

  #read(channelId: string, id: string): object {
    const channel = this.#platform.need(channelId, 'ReadMessageHistory');
    return this.#platform.messageData(this.#platform.message(channel, id));
  }

  #edit(request: Request, channelId: string, id: string): object {
    const channel = this.#platform.need(channelId);
    const message = this.#platform.message(channel, id);
    if (channel.archived) throw new Refusal(400, 50_083, 'Thread is archived');
    if (message.authorId !== this.#platform.bot.id)
      throw new Refusal(403, 50_005, 'Cannot edit a message authored by another user');
    if (request.files.length > 0) this.#platform.need(channelId, 'AttachFiles');
    if (this.#platform.now() - message.createdAt > HOUR && ++message.editsWhenOld > EDITS_WHEN_OLD)
      throw new Refusal(429, 30_046, 'Maximum number of edits to messages older than 1 hour reached.', {
        retry_after: 600,
        global: false,
      });
    const files = this.#files('editMessage', request, message.files, this.#platform.fileLimit);
    change(message, request.body, files, this.#platform.now());
    return this.#platform.messageData(message);
  }

  #delete(channelId: string, id: string): null {
    const channel = this.#platform.need(channelId);
    const message = this.#platform.message(channel, id);
    if (channel.archived) throw new Refusal(400, 50_083, 'Thread is archived');
    if (message.authorId !== this.#platform.bot.id) this.#platform.need(channelId, 'ManageMessages');
    channel.messages.delete(id);
    return null;
  }

  /** Of what can be changed in a thread, only that it is awake. */
  #wake({ body }: Request, threadId: string): object {
    const thread = this.#platform.need(threadId, 'SendMessagesInThreads');
    const change = JSON.stringify(body);
    if (thread.parentId === null || change !== '{"archived":false}')
      throw new Refusal(403, 50_013, `Missing Permissions for ${change}`);
    if (thread.locked) this.#platform.need(threadId, 'ManageThreads');
    thread.archived = false;
    return { id: thread.id, name: thread.name };
  }

  #react(channelId: string, id: string, emoji: string): null {
    const channel = this.#platform.need(channelId, 'ReadMessageHistory');
    const message = this.#platform.message(channel, id);
    if (channel.archived) throw new Refusal(400, 50_083, 'Thread is archived');
    if (!message.reactions.some((each) => each.emoji === emoji))
      this.#platform.need(channelId, 'AddReactions');
    this.#platform.react(message, this.#platform.bot, emoji);
    return null;
  }

  #reacted({ query }: Request, channelId: string, id: string, emoji: string): object {
    const channel = this.#platform.need(channelId, 'ReadMessageHistory');
    const reaction = this.#platform.message(channel, id).reactions.find((each) => each.emoji === emoji);
    if (!reaction) throw new Refusal(404, 10_014, `Unknown Emoji ${emojiData(emoji).name}`);
    const after = BigInt(query.get('after') ?? '0');
    return [...(query.get('type') === '1' ? reaction.super : reaction.users)]
      .filter((userId) => BigInt(userId) > after)
      .sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
      .slice(0, Number(query.get('limit') ?? 25))
      .map((userId) => this.#platform.userData(this.#platform.user(userId)));
  }

  #callback({ body }: Request, id: string, token: string): null {
    const interaction = this.#platform.interactions.get(id);
    if (!interaction || interaction.token !== token) throw new Refusal(404, 10_062, 'Unknown interaction');
    if (interaction.state !== 'waiting')
      throw new Refusal(400, 40_060, 'Interaction has already been acknowledged.');
    if (this.#platform.now() - interaction.createdAt > ACKNOWLEDGE_WITHIN)
      throw new Refusal(404, 10_062, 'Unknown interaction');
    const answer = body as { type: number; data?: Record<string, unknown> };
    const problem = callbackProblem(answer) || formProblem(answer) || misplaced(interaction, answer.type);
    if (problem !== '') this.#invalid('callback', problem);
    const { type, data = {} } = answer;
    interaction.acknowledgedAt = performance.now();
    interaction.ephemeral = (Number(data['flags'] ?? 0) & MessageFlags.Ephemeral) !== 0;
    if (type === 5) interaction.state = 'thinking';
    if (type === 6) interaction.state = 'updating';
    if (type === 9) {
      interaction.state = 'form';
      interaction.form = data as unknown as NonNullable<StoredInteraction['form']>;
    }
    if (type === 8) {
      interaction.state = 'choices';
      interaction.choices = data['choices'] as NonNullable<StoredInteraction['choices']>;
    }
    if (type === 4) {
      const whole = messageProblem(data, []);
      if (whole !== '') this.#invalid('callback', whole);
      this.#answer(interaction, data, []);
    }
    return null;
  }

  #answer(interaction: StoredInteraction, body: Record<string, unknown>, files: StoredFile[]): Message {
    const onlyFor = interaction.ephemeral ? interaction.userId : null;
    const made = newMessage(this.#platform.bot.id, interaction.channelId, body, files, onlyFor);
    const message = this.#platform.addMessage(made);
    interaction.state = 'answered';
    interaction.originalId = message.id;
    return message;
  }

  /** The interaction of a token that lives. @throws Refusal 10015, 50027 */
  #living(token: string): StoredInteraction {
    const interaction = [...this.#platform.interactions.values()].find((each) => each.token === token);
    if (!interaction || interaction.state === 'waiting') throw new Refusal(404, 10_015, 'Unknown Webhook');
    if (this.#platform.now() - interaction.createdAt > TOKEN_LIFE)
      throw new Refusal(401, 50_027, 'Invalid Webhook Token');
    return interaction;
  }

  #editOriginal(request: Request, token: string): object {
    const interaction = this.#living(token);
    if (!['thinking', 'answered'].includes(interaction.state))
      throw new Refusal(404, 10_008, 'Unknown Message');
    const channel = this.#platform.channels.get(interaction.channelId)!;
    const original =
      interaction.originalId === null ? undefined : channel.messages.get(interaction.originalId);
    const files = this.#files('editOriginal', request, original?.files ?? [], this.#platform.fileLimit);
    const message = original ?? this.#answer(interaction, request.body, files);
    if (original) change(message, request.body, files, this.#platform.now());
    return this.#platform.messageData(message);
  }

  #deleteOriginal(token: string): null {
    const interaction = this.#living(token);
    if (interaction.state === 'gone') throw new Refusal(404, 10_008, 'Unknown Message');
    if (interaction.originalId !== null)
      this.#platform.channels.get(interaction.channelId)!.messages.delete(interaction.originalId);
    interaction.state = 'gone';
    return null;
  }

  #followUp(request: Request, token: string): object {
    const interaction = this.#living(token);
    const files = this.#files('followUp', request, [], this.#platform.fileLimit);
    const ephemeral = (Number(request.body['flags'] ?? 0) & MessageFlags.Ephemeral) !== 0;
    const onlyFor = ephemeral ? interaction.userId : null;
    const made = newMessage(this.#platform.bot.id, interaction.channelId, request.body, files, onlyFor);
    const message = this.#platform.addMessage(made);
    interaction.followUps.push(message.id);
    return this.#platform.messageData(message);
  }
}

/** Whether an answer fits what it answers. */
function misplaced({ type }: StoredInteraction, answer: number): string {
  if ((answer === 8) !== (type === 4)) return `answer ${answer} to an interaction of type ${type}`;
  if ((answer === 6 || answer === 7) && type !== 3) return 'an update without a message';
  return answer === 9 && type === 5 ? 'a form as the answer to a form' : '';
}

function newMessage(
  authorId: string,
  channelId: string,
  body: Record<string, unknown>,
  files: StoredFile[],
  onlyFor: string | null,
) {
  const components = (body['components'] ?? []) as APIMessageTopLevelComponent[];
  return { authorId, channelId, content: '', flags: Number(body['flags'] ?? 0), components, files, onlyFor };
}

function change(message: Message, body: Record<string, unknown>, files: StoredFile[], now: number): void {
  if (Array.isArray(body['components']))
    message.components = body['components'] as APIMessageTopLevelComponent[];
  message.files = files;
  message.editedAt = now;
  message.shown++;
}

async function readRequest(
  incoming: IncomingMessage,
  path: string,
  query: URLSearchParams,
  token: string,
): Promise<Request> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (bytes.length > 30 * MIB) throw new Refusal(413, 40_005, 'Request entity too large');
  const contentType = incoming.headers['content-type'] ?? '';
  const base = {
    method: incoming.method!,
    path,
    query,
    authorized: incoming.headers.authorization === `Bot ${token}`,
  };
  if (!contentType.startsWith('multipart/'))
    return {
      ...base,
      body: bytes.length === 0 ? {} : (JSON.parse(bytes.toString()) as Request['body']),
      files: [],
    };
  const form = await new Response(bytes, { headers: { 'content-type': contentType } }).formData();
  const files: Request['files'] = [];
  let body: Request['body'] = {};
  for (const [name, value] of form.entries()) {
    if (typeof value === 'string') body = JSON.parse(value) as Request['body'];
    else
      files[Number(/\d+/.exec(name)![0])] = {
        name: value.name,
        bytes: Buffer.from(await value.arrayBuffer()),
      };
  }
  return { ...base, body, files };
}
