/** @file The web chat's page and the requests that it makes. Everything that comes in is checked here. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { upgradeWebSocket } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { completeOption } from '../../commands/line/complete.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { COMMANDS, parseCommandLine } from '../../commands/index.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channel, Member } from '../../core/records.ts';
import { becomeModerator, isModerator, memberOf, requireMember, setName } from './identity.ts';
import { describeCommands } from './options.ts';
import type { Page } from './page.ts';
import type { ChannelView, ClientMessage, ServerMessage } from './protocol.ts';
import { MAX_NAME, MAX_PHOTO_BYTES, MAX_PHOTOS, MAX_TEXT } from './protocol.ts';
import { tooLarge, type Uploads } from './uploads.ts';
import type { Viewer } from './hub.ts';
import type { WebGateway } from './web-gateway.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const LINES_AT_ONCE = 1_000;
const MOST_CHANNELS = 200;
/** Every request but a photo is short. */
const small = bodyLimit({ maxSize: 64 * 1024 });

export interface WebParts {
  readonly gateway: WebGateway;
  readonly context: CommandContext;
  readonly uploads: Uploads;
  readonly page: Page;
  readonly secret: string;
}

const invalid = (message: string): KronaError => new KronaError('REQUEST_INVALID', message);

type Body = Readonly<Record<string, unknown>>;

async function readBody(context: Context): Promise<Body> {
  const body: unknown = await context.req.json().catch(() => null);
  if (typeof body !== 'object' || body === null) throw invalid('The request has no JSON object as its body.');
  return body as Body;
}

function readText(body: Body, name: string, most: number): string {
  const value = body[name];
  if (typeof value === 'string' && value.length <= most) return value;
  throw invalid(`${name} must be a text of at most ${most} characters.`);
}

function readId(body: Body, name: string): string {
  const value = body[name];
  if (typeof value === 'string' && UUID.test(value)) return value;
  throw invalid(`${name} must be a UUID.`);
}

/** A channel's name as people write it, into one that fits in an address: `My Cats!` becomes `my-cats`. */
export function channelSlug(name: string): string {
  const slug = name
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_]+/gu, '-')
    .replace(/^-|-$/g, '');
  if (slug === '' || [...slug].length > MAX_NAME)
    throw new KronaError(
      'CHANNEL_NAME_INVALID',
      `A channel's name has 1 to ${MAX_NAME} letters, digits, - or _.`,
    );
  return slug;
}

/** Mounts the web chat on the bot's server. */
export function mountWeb(app: Hono, { gateway, context: parts, uploads, page, secret }: WebParts): void {
  const { records } = parts;
  const { hub } = gateway;
  const channels = async (): Promise<ChannelView[]> =>
    (await records.channels('web')).map(({ externalId, name }) => ({ id: externalId, name }));
  const channelOf = async (id: string): Promise<Channel> => {
    const channel = (await records.channels('web')).find(({ externalId }) => externalId === id);
    if (channel) return channel;
    throw new KronaError('CHANNEL_UNKNOWN', 'There is no such channel here.');
  };
  const whoAndWhere = async (
    context: Context,
  ): Promise<{ member: Member; channel: Channel; moderator: boolean }> => ({
    member: await requireMember(context, records),
    channel: await channelOf(context.req.param('channel') ?? ''),
    moderator: isModerator(context, secret),
  });

  app.get('/', (context) => {
    const key = context.req.query('moderator');
    if (key === undefined) return page.html(context);
    if (!becomeModerator(context, secret, key))
      throw new KronaError('LINK_INVALID', 'This moderator link is not valid.');
    return context.redirect('/');
  });
  app.get('/assets/:name', (context) => page.asset(context, context.req.param('name')) ?? context.notFound());

  app.use(
    '/api/uploads',
    bodyLimit({ maxSize: MAX_PHOTO_BYTES, onError: (context) => refuseLarge(context) }),
  );
  app.use('/api/me', small).use('/api/channels/*', small).use('/api/channels', small);
  app.use('/api/*', async (context, next) => {
    context.header('cache-control', 'no-store');
    await next();
  });

  app.get('/api/me', async (context) => {
    const member = await memberOf(context, records);
    return context.json({ me: member && { id: member.id, name: member.name } });
  });
  app.post('/api/me', async (context) => {
    const { id, name } = await setName(context, records, (await readBody(context))['name'] ?? '');
    return context.json({ me: { id, name } });
  });

  app.get('/api/commands', (context) => context.json(describeCommands(COMMANDS)));
  app.get('/api/complete', async (context) => {
    await requireMember(context, records);
    const { channel: id = '', path = '', option = '', typed = '' } = context.req.query();
    const channel = await channelOf(id);
    const [name = '', action = ''] = path.split(' ');
    return context.json(
      await completeOption({ name, action, option, typed: typed.slice(0, 100) }, parts, channel),
    );
  });

  app.post('/api/channels', async (context) => {
    await requireMember(context, records);
    const slug = channelSlug(readText(await readBody(context), 'name', 200));
    const before = await channels();
    if (!before.some(({ id }) => id === slug) && before.length >= MOST_CHANNELS)
      throw new KronaError('CHANNELS_FULL', `There are ${MOST_CHANNELS} channels already; use one of those.`);
    const { externalId, name } = await records.channel('web', slug, slug);
    hub.tellChannels(await channels());
    return context.json({ channel: { id: externalId, name } });
  });

  app.post('/api/uploads', async (context) => {
    const member = await requireMember(context, records);
    const name = decodeName(context.req.header('x-file-name'));
    if (Number(context.req.header('content-length') ?? 0) > MAX_PHOTO_BYTES) throw tooLarge(name);
    const body = context.req.raw.body as ReadableStream<Uint8Array> | null;
    const upload = await uploads.add(
      member.id,
      name,
      body === null ? Readable.from([]) : Readable.fromWeb(body),
    );
    return context.json({ id: upload.id }, 201);
  });

  app.post('/api/channels/:channel/messages', async (context) => {
    const where = await whoAndWhere(context);
    const body = await readBody(context);
    const id = readId(body, 'id');
    const text = readText(body, 'text', MAX_TEXT).trim();
    const ids: unknown = body['uploads'];
    if (!Array.isArray(ids) || ids.length > MAX_PHOTOS || !ids.every((each) => typeof each === 'string'))
      throw invalid(`uploads must be a list of at most ${MAX_PHOTOS} ids.`);
    const found = uploads.find(where.member.id, ids);
    if (text === '' && found.length === 0) throw new KronaError('MESSAGE_EMPTY', 'There is nothing to send.');
    const command = text.startsWith('/') ? parseCommandLine(text, found.length) : null;
    await gateway.say({ ...where, id, text, command, uploads: found });
    return context.json({}, 202);
  });

  app.post('/api/channels/:channel/actions', async (context) => {
    const where = await whoAndWhere(context);
    const body = await readBody(context);
    gateway.press({ ...where, id: readId(body, 'id'), action: readText(body, 'action', 100) });
    return context.json({}, 202);
  });

  app.put('/api/channels/:channel/votes', async (context) => {
    const where = await whoAndWhere(context);
    const body = await readBody(context);
    const emoji = readText(body, 'emoji', 32);
    if (!/\p{Emoji}/u.test(emoji)) throw invalid('emoji must be an emoji.');
    const votes = await gateway.react({
      ...where,
      pictureId: readId(body, 'pictureId'),
      emoji,
      added: body['added'] === true,
    });
    return context.json({ votes });
  });

  app.delete('/api/whispers/:id', async (context) => {
    const member = await requireMember(context, records);
    hub.dismiss(member.id, context.req.param('id'));
    return context.json({});
  });

  app.get(
    '/api/live',
    upgradeWebSocket(async (context) => {
      const member = await requireMember(context, records);
      let viewer: Viewer | null = null;
      return {
        onOpen: (_event, socket) => {
          const send = (message: ServerMessage) => socket.send(JSON.stringify(message));
          viewer = { member, send };
          hub.enter(viewer);
          void channels().then((list) =>
            send({
              type: 'hello',
              bundle: page.bundle,
              me: { id: member.id, name: member.name },
              channels: list,
            }),
          );
        },
        onMessage: (event) => {
          const watch = readWatch(event.data);
          if (watch === null || viewer === null) return;
          const current = viewer;
          void channelOf(watch.channelId)
            .then((channel) => hub.watch(current, channel, watch.since, watch.limit))
            .catch(() => current.send({ type: 'nowhere', channelId: watch.channelId }));
        },
        onClose: () => {
          if (viewer !== null) hub.leave(viewer);
        },
      };
    }),
  );
}

function refuseLarge(context: Context): Response {
  const { code, message } = tooLarge(decodeName(context.req.header('x-file-name')));
  return context.json({ error: { code, message } }, 413);
}

/** A file's name as the page sends it, without folders and invisible characters. */
function decodeName(header: string | undefined): string {
  let name = '';
  try {
    name = decodeURIComponent(header ?? '');
  } catch {
    // Not ours: nameless.
  }
  return (
    name
      .replace(/[\p{C}]+/gu, '')
      .split(/[\\/]/)
      .at(-1)!
      .trim()
      .slice(0, 120) || 'photo'
  );
}

function readWatch(data: unknown): ClientMessage | null {
  if (typeof data !== 'string' || data.length > 1_000) return null;
  let message: Partial<ClientMessage>;
  try {
    message = JSON.parse(data) as Partial<ClientMessage>;
  } catch {
    return null;
  }
  const { type, channelId, since, limit } = message ?? {};
  if (type !== 'watch' || typeof channelId !== 'string') return null;
  if (!Number.isSafeInteger(since) || !Number.isSafeInteger(limit)) return null;
  return {
    type,
    channelId,
    since: Math.max(0, since!),
    limit: Math.min(LINES_AT_ONCE, Math.max(1, limit!)),
  };
}
