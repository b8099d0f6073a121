/** @file The requests that the page makes. The page calls them through Hono's client, typed by `Api`. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import * as v from 'valibot';
import type { CommandContext } from '../../commands/contract.ts';
import { COMMANDS, parseCommandLine } from '../../commands/index.ts';
import { completeOption } from '../../commands/line/complete.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channels } from './channels.ts';
import { isModerator, knownMember, requireMember, setName } from './identity.ts';
import { describeCommands } from './options.ts';
import { MAX_PHOTO_BYTES, MAX_PHOTOS, MAX_TEXT, type MemberView } from './protocol.ts';
import { checked, emoji, notStored, text, uuid } from './request.ts';
import { tooLarge, type Uploads } from './uploads.ts';
import type { WebGateway } from './web-gateway.ts';

/** Bytes of every request but a photo. */
const SMALL = 64 * 1024;
/** Characters of a name as typed, before it is shortened to what a name can be. */
const MOST_TYPED = 200;

export interface ApiParts {
  readonly gateway: WebGateway;
  readonly context: CommandContext;
  readonly channels: Channels;
  readonly uploads: Uploads;
  readonly secret: string;
  /** Members reach the chat over HTTPS. */
  readonly secure: boolean;
}

const memberView = ({ id, name }: MemberView): MemberView => ({ id, name });

const photoSized = bodyLimit({
  maxSize: MAX_PHOTO_BYTES,
  onError: (context) => {
    throw tooLarge(fileNameOf(context));
  },
});

/** Who the browser is, which commands exist, and the channels. */
function generalRoutes({ gateway, context: { records }, channels, secure }: ApiParts) {
  return new Hono()
    .get('/me', async (context) => {
      const member = await knownMember(context, records);
      return context.json({ me: member && memberView(member) });
    })
    .post('/me', checked('json', v.object({ name: text(MOST_TYPED) })), async (context) => {
      const { name } = context.req.valid('json');
      return context.json({ me: memberView(await setName(context, records, name, secure)) });
    })
    .get('/commands', (context) => context.json(describeCommands(COMMANDS)))
    .post('/channels', checked('json', v.object({ name: text(MOST_TYPED) })), async (context) => {
      await requireMember(context, records);
      const channel = await channels.open(context.req.valid('json').name);
      gateway.hub.tellChannels(await channels.list());
      return context.json({ channel });
    })
    .delete('/whispers/:id', async (context) => {
      const member = await requireMember(context, records);
      gateway.hub.dismiss(member.id, context.req.param('id'));
      return context.json({});
    });
}

const COMPLETION = v.object({
  channel: text(100),
  path: text(100),
  option: text(100),
  typed: text(MAX_TEXT),
});

/** What a member does in a channel. */
function channelRoutes(parts: ApiParts) {
  const { gateway, uploads } = parts;
  return new Hono()
    .get('/complete', checked('query', COMPLETION), async (context) => {
      const { channel, path, option, typed } = context.req.valid('query');
      await requireMember(context, parts.context.records);
      const [name = '', action = ''] = path.split(' ');
      return context.json(
        await completeOption(
          { name, action, option, typed: typed.slice(0, 100) },
          parts.context,
          await parts.channels.find(channel),
        ),
      );
    })
    .post('/channels/:channel/messages', checked('json', MESSAGE), async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      const { id, text: typed, uploads: ids } = context.req.valid('json');
      const words = typed.trim();
      const found = uploads.find(where.member.id, ids);
      if (words === '' && found.length === 0)
        throw new KronaError('MESSAGE_EMPTY', 'The message is empty. Write something or add a photo.');
      const command = words.startsWith('/') ? parseCommandLine(words, found.length) : null;
      await gateway.events.say({ ...where, id, text: words, command, uploads: found });
      return context.json({}, 202);
    })
    .post('/channels/:channel/actions', checked('json', PRESS), async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      gateway.events.press({ ...where, ...context.req.valid('json') });
      return context.json({}, 202);
    })
    .put('/channels/:channel/votes', checked('json', VOTE), async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      const votes = await gateway.events.react({ ...where, ...context.req.valid('json') });
      return context.json({ votes });
    });
}

const MESSAGE = v.object({
  id: uuid,
  text: text(MAX_TEXT),
  uploads: v.pipe(
    v.array(text(100), `expected a list of at most ${MAX_PHOTOS} ids`),
    v.maxLength(MAX_PHOTOS, `expected at most ${MAX_PHOTOS} ids`),
  ),
});
const PRESS = v.object({ id: uuid, action: text(100) });
const VOTE = v.object({ pictureId: uuid, emoji, added: v.boolean('expected true or false') });

async function whoAndWhere(
  context: Context,
  channel: string,
  { context: parts, channels, secret }: ApiParts,
) {
  return {
    member: await requireMember(context, parts.records),
    channel: await channels.find(channel),
    moderator: isModerator(context, secret),
  };
}

/** Photos, which travel ahead of their message. */
function uploadRoutes({ context: { records }, uploads }: ApiParts) {
  return new Hono().post('/uploads', photoSized, async (context) => {
    const member = await requireMember(context, records);
    const name = fileNameOf(context);
    const body = context.req.raw.body as ReadableStream<Uint8Array> | null;
    const bytes = body === null ? Readable.from([]) : Readable.fromWeb(body);
    const { id } = await uploads.add(member.id, name, bytes);
    return context.json({ id }, 201);
  });
}

/** A file's name as the page sends it, without folders and invisible characters. */
function fileNameOf(context: Context): string {
  let name = '';
  try {
    name = decodeURIComponent(context.req.header('x-file-name') ?? '');
  } catch {
    // Not sent by our page: nameless.
  }
  const last =
    name
      .replace(/\p{C}+/gu, '')
      .split(/[\\/]/)
      .at(-1) ?? '';
  return last.trim().slice(0, 120) || 'photo';
}

/** The routes below `/api`. */
export function createApi(parts: ApiParts) {
  return new Hono()
    .use(notStored)
    .route('/', uploadRoutes(parts))
    .use(bodyLimit({ maxSize: SMALL }))
    .route('/', generalRoutes(parts))
    .route('/', channelRoutes(parts));
}

export type Api = ReturnType<typeof createApi>;
