/** @file The REST API, below `/api/v1`: a channel's commands for programs, through the same checks as in the chat. */
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import * as v from 'valibot';
import type { CommandContext, Invocation } from '../../commands/contract.ts';
import { callCommand } from '../../commands/index.ts';
import { admit } from '../../commands/rules/guard.ts';
import { recordReaction } from '../../commands/votes/react.ts';
import type { JobWork } from '../../commands/work/channel-queue.ts';
import { cancelWork, findWork } from '../../commands/work/work.ts';
import { KronaError } from '../../core/errors.ts';
import { commandSeconds } from '../../core/metrics.ts';
import { Lanes } from '../lanes.ts';
import { Pace } from '../pace.ts';
import { checked, notStored } from '../request.ts';
import type { Uploads } from '../uploads.ts';
import { readForm } from './form.ts';
import { openApi, OPERATIONS } from './openapi.ts';
import { callerOf, type Caller } from './tokens.ts';
import { adapterJson, type Link, workJson, type WorkJson } from './work-view.ts';

/** Bytes of a request without files. */
const MOST_BYTES = 64 * 1024;
/** The emoji of votes. */
const EMOJI = { for: '👍', against: '👎' } as const;

export interface ApiParts {
  readonly context: CommandContext;
  readonly link: Link;
  /** Where files of requests wait for their command. */
  readonly uploads: Uploads;
  /** The bot's public address. */
  readonly address: () => string;
}

interface Answer {
  /** What was queued; null where nothing was. */
  readonly work: WorkJson | null;
  /** What the chat would have said. */
  readonly notes: readonly string[];
}

type Env = { Variables: { caller: Caller } };

export function createRestApi({ context: commands, link, uploads, address }: ApiParts) {
  const { records } = commands;
  const [asking, acting] = [new Pace(), new Pace()];
  const small = bodyLimit({ maxSize: MOST_BYTES });
  const requests = requestReader(uploads);
  const show = async (work: JobWork) => ({ work: await workJson(work, commands, link) });
  const own = async (context: Context<Env>, id: string) => {
    const work = await findWork(records, actorOf(context), id);
    if (work !== null) return work;
    throw new KronaError('WORK_UNKNOWN', 'This channel has no job with this id; it may have been deleted.');
  };
  const api = new Hono<Env>()
    .use(notStored)
    .get('/openapi.json', (context) => context.json(openApi(`${address()}/api/v1`)))
    .use(async (context, next) => {
      const caller = await callerOf(records, context.req.header('authorization'));
      (context.req.method === 'GET' ? asking : acting).count(caller.token.id);
      context.set('caller', caller);
      await next();
    })
    // Nothing is read of a stranger's body.
    .use((context, next) => (isForm(context) ? next() : small(context, next)))
    .get('/adapters', async (context) => {
      await admit(records, actorOf(context), {});
      const adapters = await records.adapters(context.get('caller').channel.id);
      return context.json({ adapters: adapters.map((adapter) => adapterJson(adapter, link)) });
    })
    .get('/work/:id', async (context) => context.json(await show(await own(context, idOf(context)))))
    .delete('/work/:id', async (context) => {
      await admit(records, actorOf(context), {});
      await cancelWork(actorOf(context), await own(context, idOf(context)), commands);
      return context.json(await show(await own(context, idOf(context))));
    })
    .put('/pictures/:id/votes', checked('json', VOTE), async (context) => {
      const picture = await records.picture(context.req.param('id'));
      const work = picture && (await findWork(records, actorOf(context), picture.setId));
      if (picture === null || work === null)
        throw new KronaError('PICTURE_GONE', 'This picture was deleted.');
      await admit(records, actorOf(context), {});
      const memberId = context.get('caller').member.id;
      const { vote } = context.req.valid('json');
      for (const side of ['for', 'against'] as const)
        await recordReaction(
          { setId: picture.setId, pictureId: picture.id, memberId, emoji: EMOJI[side], added: side === vote },
          commands,
        );
      return context.json(await show(work));
    });
  for (const [path, { command, action, files }] of Object.entries(OPERATIONS))
    api.post(path, (context) =>
      requests(context, files, async (request) => {
        const end = commandSeconds.startTimer({ platform: 'api', command });
        try {
          const asked = { ...actorOf(context), action, ...request };
          const { title, text = [], follows, aside } = await callCommand(command, asked, commands);
          const work = follows && (await findWork(records, asked, follows.id));
          const notes = [title, ...text, ...(aside ? [aside.title, ...(aside.text ?? [])] : [])];
          end({ outcome: 'done' });
          const answer: Answer = { work: work ? (await show(work)).work : null, notes };
          return context.json(answer, 202);
        } catch (error) {
          end({ outcome: error instanceof KronaError ? 'refused' : 'failed' });
          throw error;
        }
      }),
    );
  return api;
}

const VOTE = v.object({ vote: v.picklist(['for', 'against', 'none'], 'expected for, against or none') });

const idOf = (context: Context): string => context.req.param('id') ?? '';

/** A token has the rights of an ordinary member. */
function actorOf(context: Context<Env>) {
  const { channel, member } = context.get('caller');
  return { channel, member, moderator: false, roles: [] };
}

const OPTIONS = v.record(
  v.string(),
  v.union([v.string(), v.number(), v.boolean()], 'expected a text, a number, true or false'),
);

const contentType = (context: Context): string => context.req.header('content-type') ?? '';
const isForm = (context: Context): boolean => /^multipart\/form-data\b/i.test(contentType(context));

type Request = Pick<Invocation, 'options' | 'attachments'>;

/**
 * Reads the options and files of commands, from JSON or from forms. A token's forms are read one after the other, each with its
 * command, so that no token fills the disk or keeps all others' photos waiting.
 */
function requestReader(uploads: Uploads) {
  const forms = new Lanes();
  return (
    context: Context<Env>,
    field: string,
    work: (request: Request) => Promise<Response>,
  ): Promise<Response> => {
    const { token, member } = context.get('caller');
    if (!isForm(context)) return readJson(context).then(work);
    return forms.run(token.id, async () => {
      const place = { uploads, memberId: member.id, field };
      const { texts, files } = await readForm(context.req.raw.body, contentType(context), place);
      try {
        const attachments = files.map((file) => ({ ...file, ...(field !== 'photos' && { option: field }) }));
        return await work({ options: Object.fromEntries(texts), attachments });
      } finally {
        await uploads.release(files);
      }
    });
  };
}

/** @throws KronaError REQUEST_INVALID */
async function readJson(context: Context): Promise<Request> {
  const body: unknown = await context.req.json().catch(() => null);
  const { success, output, issues } = v.safeParse(OPTIONS, body);
  if (success) return { options: output, attachments: [] };
  throw new KronaError('REQUEST_INVALID', `Invalid request: ${issues[0].message}.`);
}
