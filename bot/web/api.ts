/** @file The requests that the page makes. The page calls them through Hono's client, typed by `Api`. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import * as v from 'valibot';
import type { RecordStore } from '../../storage/records.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { COMMANDS, parseCommandLine } from '../../commands/index.ts';
import { welcomeOf } from '../../commands/models/model.ts';
import { completeOption } from '../../commands/line/complete.ts';
import { KronaError } from '../../core/errors.ts';
import { acknowledging } from '../../core/metrics.ts';
import { admit } from '../../commands/rules/guard.ts';
import type { Member } from '../../core/records.ts';
import { administrationRoutes, type AdministrationParts } from './administration.ts';
import { GALLERY_QUERY, WebGallery } from './gallery.ts';
import type { Identity } from './identity.ts';
import type { Pace } from '../pace.ts';
import { describeCommands } from './options.ts';
import { EARLIER_LINES, MAX_TEXT, type MemberView } from './protocol.ts';
import { MAX_PHOTO_BYTES, MAX_PHOTOS } from '../upload-limits.ts';
import { checked, emoji, notStored, text, uuid } from '../request.ts';
import { cleanFileName, tooLarge, type Uploads } from '../uploads.ts';
import type { WebGateway } from './web-gateway.ts';

/** Bytes of every request but a photo. */
const SMALL = 64 * 1024;
/** Characters of a name as typed, before it is shortened to what a name can be. */
const MOST_TYPED = 200;

export interface ApiParts {
  readonly gateway: WebGateway;
  readonly context: CommandContext;
  readonly uploads: Uploads;
  readonly identity: Identity;
  /** null where only people on this machine use the chat. */
  readonly pace: Pace | null;
  readonly config: AdministrationParts['config'];
  readonly installLink: AdministrationParts['installLink'];
}

const memberView = ({ id, name }: MemberView): MemberView => ({ id, name });

/** Refuses a photo that says it is too large; `Uploads` counts the bytes that come. */
const photoSized: MiddlewareHandler = async (context, next) => {
  if (Number(context.req.header('content-length') ?? 0) > MAX_PHOTO_BYTES)
    throw tooLarge(fileNameOf(context));
  await next();
};

const acknowledged: MiddlewareHandler = (_context, next) => acknowledging('web', next());

/** Who the browser is, which commands exist, and the channels. */
function generalRoutes({ gateway: { channels, hub }, context: { records }, identity }: ApiParts) {
  return new Hono()
    .get('/me', async (context) => {
      const member = await identity.known(context);
      const keyNeeded = identity.keyNeeded(context);
      return context.json({ me: member && memberView(member), ...(keyNeeded && { keyNeeded }) });
    })
    .post('/me', checked('json', v.object({ name: text(MOST_TYPED) })), async (context) => {
      const { name } = context.req.valid('json');
      const known = await identity.known(context);
      if (known !== null) await refuseBlocked(records, known, identity.isModerator(context));
      return context.json({ me: memberView(await identity.setName(context, name)) });
    })
    .post('/key', checked('json', v.object({ key: text(MOST_TYPED) })), async (context) => {
      identity.enterByKey(context, context.req.valid('json').key);
      return context.json({});
    })
    .post('/invitations', (context) => context.json({ query: identity.invite(context) }, 201))
    .get('/commands', (context) => context.json(describeCommands(COMMANDS)))
    .post('/channels', checked('json', v.object({ name: text(MOST_TYPED) })), async (context) => {
      const member = await identity.require(context);
      const moderator = identity.isModerator(context);
      await refuseBlocked(records, member, moderator);
      const channel = await channels.open(context.req.valid('json').name, member, moderator);
      hub.tellChannels(await channels.list());
      return context.json({ channel });
    })
    .delete('/channels/:channel', async (context) => {
      await identity.require(context);
      identity.requireModerator(context, 'delete channels');
      const id = context.req.param('channel');
      await channels.remove(id);
      hub.close(id);
      hub.tellChannels(await channels.list());
      return context.json({});
    })
    .delete('/whispers/:id', async (context) => {
      const member = await identity.require(context);
      hub.dismiss(member.id, context.req.param('id'));
      return context.json({});
    });
}

/** For what belongs to no channel: a member who is blocked in one can't do it. @throws KronaError BLOCKED */
async function refuseBlocked(records: RecordStore, { id }: Member, moderator: boolean): Promise<void> {
  if (!moderator && (await records.isBlocked('web', id)))
    throw new KronaError(
      'BLOCKED',
      'A moderator blocked you in a channel of this chat. Ask a moderator why.',
    );
}

const COMPLETION = v.object({
  channel: text(100),
  path: text(100),
  option: text(100),
  typed: text(MAX_TEXT),
});

/** What a member does in a channel. */
function channelRoutes(parts: ApiParts) {
  const { gateway, uploads, identity, pace, context: commands } = parts;
  const { records } = commands;
  const gallery = new WebGallery(commands, (hash, name) => gateway.views.link(hash, name));
  /** Who looks at the page of a gallery: as with `/krona gallery`, nobody who is blocked. */
  const galleryVisitor = async (context: Context, kind: string, cost: number) => {
    const where = await whoAndWhere(context, context.req.param('channel') ?? '', parts);
    pace?.count(`${kind} ${where.member.id}`, cost);
    await admit(records, where, {});
    return where;
  };
  return new Hono()
    .get('/complete', checked('query', COMPLETION), async (context) => {
      const { channel, path, option, typed } = context.req.valid('query');
      await identity.require(context);
      const [name = '', action = ''] = path.split(' ');
      const moderator = identity.isModerator(context);
      const place = { name, action, option, typed: typed.slice(0, 100), moderator };
      return context.json(await completeOption(place, commands, await gateway.channels.find(channel)));
    })
    .get('/channels/:channel/lines', checked('query', EARLIER), async (context) => {
      const { member, channel } = await whoAndWhere(context, context.req.param('channel'), parts);
      pace?.count(`reads ${member.id}`);
      const before = Number(context.req.valid('query').before);
      return context.json(await gateway.hub.linesBefore(member, channel, before, EARLIER_LINES));
    })
    .get('/channels/:channel/gallery', checked('query', GALLERY_QUERY), async (context) => {
      const { member, channel } = await galleryVisitor(context, 'reads', 1);
      return context.json(await gallery.part(channel, member, context.req.valid('query')));
    })
    .get('/channels/:channel/gallery/choices', async (context) => {
      const { channel } = await galleryVisitor(context, 'reads', 1);
      return context.json(await gallery.choices(channel));
    })
    .get('/channels/:channel/gallery/:picture/small', async (context) => {
      // A page has 40 of them.
      const { member, channel } = await galleryVisitor(context, 'copies', 0.1);
      return gallery.small(context, channel, member, context.req.param('picture'));
    })
    .get('/channels/:channel/welcome', async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      return context.json({ card: await welcomeOf(where, commands) });
    })
    .post('/channels/:channel/messages', acknowledged, checked('json', MESSAGE), async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      pace?.count(where.member.id);
      const { id, text: typed, uploads: ids } = context.req.valid('json');
      const words = typed.trim();
      // Commands admit their callers themselves: some are open to all.
      if (!words.startsWith('/') || ids.length > 0) await admit(records, where, {});
      const found = uploads.find(where.member.id, ids);
      if (words === '' && found.length === 0)
        throw new KronaError('MESSAGE_EMPTY', 'The message is empty. Write something or add a photo.');
      const command = words.startsWith('/') ? parseCommandLine(words, found.length) : null;
      await gateway.events.say({ ...where, id, text: words, command, uploads: found });
      return context.json({}, 202);
    })
    .post('/channels/:channel/actions', acknowledged, checked('json', PRESS), async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      pace?.count(where.member.id);
      gateway.events.press({ ...where, ...context.req.valid('json') });
      return context.json({}, 202);
    })
    .put('/channels/:channel/votes', checked('json', VOTE), async (context) => {
      const where = await whoAndWhere(context, context.req.param('channel'), parts);
      pace?.count(where.member.id);
      await admit(records, where, {});
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
const EARLIER = v.object({ before: v.pipe(text(20), v.regex(/^\d{1,15}$/, 'expected the place of a line')) });
const PRESS = v.object({ id: uuid, action: text(100) });
const VOTE = v.object({ pictureId: uuid, emoji, added: v.boolean('expected true or false') });

async function whoAndWhere(context: Context, channel: string, { gateway, identity }: ApiParts) {
  const moderator = identity.isModerator(context);
  return {
    member: await identity.require(context),
    channel: await gateway.channels.find(channel),
    moderator,
    manager: moderator,
    roles: [],
  };
}

/** Photos, which travel ahead of their message. */
function uploadRoutes({ context: { records }, uploads, identity }: ApiParts) {
  return new Hono().post('/uploads', photoSized, async (context) => {
    const member = await identity.require(context);
    await refuseBlocked(records, member, identity.isModerator(context));
    const name = fileNameOf(context);
    const body = context.req.raw.body as ReadableStream<Uint8Array> | null;
    const bytes = body === null ? Readable.from([]) : Readable.fromWeb(body);
    const { id } = await uploads.add(member.id, name, bytes);
    return context.json({ id }, 201);
  });
}

/** A file's name as the page sends it. */
function fileNameOf(context: Context): string {
  try {
    return cleanFileName(decodeURIComponent(context.req.header('x-file-name') ?? ''));
  } catch {
    // Not sent by our page: nameless.
    return cleanFileName('');
  }
}

/** The routes below `/api`. */
export function createApi(parts: ApiParts) {
  return new Hono()
    .use(notStored)
    .route('/', uploadRoutes(parts))
    .use(bodyLimit({ maxSize: SMALL }))
    .route('/', generalRoutes(parts))
    .route('/administration', administrationRoutes(parts))
    .route('/', channelRoutes(parts));
}

export type Api = ReturnType<typeof createApi>;
