/** @file What the administrator's page asks for: all channels at a glance, and what an administrator does about it. */
import { statfs } from 'node:fs/promises';
import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import type { CommandContext } from '../../commands/contract.ts';
import { runCommand } from '../../commands/index.ts';
import { note } from '../../commands/rules/audit.ts';
import type { JobWork } from '../../commands/work/channel-queue.ts';
import { requeueWork } from '../../commands/work/requeue.ts';
import { stopWork } from '../../commands/work/work.ts';
import type { ListedToken } from '../../core/api-tokens.ts';
import type { Config } from '../../core/config.ts';
import { storageLimit } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import type { LoggedEntry, OverviewWork } from '../../core/overview.ts';
import type { Channel } from '../../core/records.ts';
import { describeDevice, describeDoing, isTaking, type WorkerRecord } from '../../core/workers.ts';
import { describeComputer } from '../../core/settings/computer.ts';
import { makeToken, webhookKey } from '../api/tokens.ts';
import { checked, text, uuid } from '../request.ts';
import type { Identity } from './identity.ts';
import type { AdministrationView, EntryView, TokenView, WorkerView, WorkView } from './protocol.ts';

/** Rows of each table. */
const MOST_OPEN = 200;
const MOST_ENDED = 50;
const MOST_CHANNELS = 100;
const MOST_ENTRIES = 100;
/** Characters of a prompt. */
const MOST_SHOWN = 120;

export interface AdministrationParts {
  readonly context: CommandContext;
  readonly identity: Identity;
  readonly config: Pick<Config, 'dataFolder' | 'secret' | 'webhookOrigins'>;
}

/** Routes below `/administration`; each is for moderators of the installation only. */
export function administrationRoutes({ context: commands, identity, config }: AdministrationParts) {
  const { records } = commands;
  return new Hono()
    .use(async (context, next) => {
      await identity.require(context);
      identity.requireModerator(context, 'look after the installation');
      await next();
    })
    .get('/', async (context) => context.json(await overview(commands, config)))
    .get('/channels/:id/rules', async (context) => {
      const channel = await records.channelById(context.req.param('id'));
      if (channel === null) throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
      const actor = {
        channel,
        member: await identity.require(context),
        moderator: true,
        manager: true,
        roles: [],
      };
      const asked = { ...actor, action: 'show', options: {}, attachments: [] };
      return context.json({ card: await runCommand('rules', asked, commands) });
    })
    .post('/work/:id/cancel', async (context) => {
      const { work, actor } = await found(context, commands, identity);
      await stopWork(work, commands);
      await note(records, actor, 'queue', `cancelled by an administrator`, {
        targetId: context.req.param('id'),
      });
      return context.json({});
    })
    .post('/work/:id/requeue', async (context) => {
      const { work, actor } = await found(context, commands, identity);
      await requeueWork(actor, work, commands);
      return context.json({});
    })
    .post('/workers/:id/drain', async (context) => {
      await records.drainWorkers([v.parse(uuid, context.req.param('id'))]);
      return context.json({});
    })
    .post('/tokens', checked('json', NEW_TOKEN), async (context) => {
      const { channel: id, name, webhook } = context.req.valid('json');
      const channel = await records.channelById(id);
      if (channel === null) throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
      const maker = { channel, member: await identity.require(context) };
      const wish = {
        name,
        webhook: webhook.trim() === '' ? null : webhook.trim(),
        origins: config.webhookOrigins,
      };
      const made = await makeToken(records, maker, wish);
      const key = wish.webhook === null ? null : webhookKey(config.secret, made.id);
      return context.json({ token: made.token, webhookKey: key }, 201);
    })
    .delete('/tokens/:id', async (context) => {
      await records.removeApiToken(v.parse(uuid, context.req.param('id')));
      return context.json({});
    });
}

const NEW_TOKEN = v.object({ channel: uuid, name: text(100), webhook: text(500) });

/** The run or set that a request names, and who acts in its channel. @throws KronaError WORK_UNKNOWN */
async function found(
  context: Context<object, '/work/:id/cancel'>,
  { records }: CommandContext,
  identity: Identity,
) {
  const id = context.req.param('id');
  const [run, set] = [await records.run(id), await records.set(id)];
  const work: JobWork | null = run ? { kind: 'run', run } : set ? { kind: 'set', set } : null;
  const channel: Channel | null = await records.channelById((run ?? set)?.channelId ?? id);
  if (work === null || channel === null)
    throw new KronaError('WORK_UNKNOWN', 'This job was deleted. Reload the page.');
  return { work, actor: { channel, member: await identity.require(context) } };
}

async function overview(
  { records }: CommandContext,
  { dataFolder, webhookOrigins }: AdministrationParts['config'],
): Promise<AdministrationView> {
  const { bsize, bavail, blocks } = await statfs(dataFolder);
  return {
    computer: describeComputer(await records.modelCard()),
    workers: (await records.workers()).map(workerView),
    open: (await records.openWorkOfAll(MOST_OPEN)).map(workView),
    ended: (await records.endedWorkOfAll(MOST_ENDED)).map(workView),
    disk: {
      free: bavail * bsize,
      size: blocks * bsize,
      stored: await records.storedBytesInAll(),
      limit: storageLimit(),
    },
    channels: await records.channelsOfAll(MOST_CHANNELS),
    tokens: (await records.listApiTokens()).map(tokenView),
    webhooks: webhookOrigins.length > 0,
    log: (await records.auditOfAll(MOST_ENTRIES)).map(entryView),
  };
}

const cut = (text: string): string =>
  [...text].length > MOST_SHOWN ? `${[...text].slice(0, MOST_SHOWN).join('')}…` : text;

function workView({ createdAt, startedAt, endedAt, what, ...work }: OverviewWork): WorkView {
  return {
    ...work,
    what: cut(what),
    createdAt: createdAt.getTime(),
    startedAt: startedAt?.getTime() ?? null,
    endedAt: endedAt?.getTime() ?? null,
  };
}

const workerView = (worker: WorkerRecord): WorkerView => ({
  id: worker.id,
  host: worker.host,
  version: worker.version,
  device: describeDevice(worker),
  models: worker.models,
  doing: describeDoing(worker),
  canDrain: isTaking(worker),
});

const tokenView = ({ createdAt, usedAt, ...token }: ListedToken): TokenView => ({
  ...token,
  createdAt: createdAt.getTime(),
  usedAt: usedAt?.getTime() ?? null,
});

const entryView = ({
  id,
  action,
  details,
  at,
  channelName,
  platform,
  memberName,
}: LoggedEntry): EntryView => ({
  id,
  action,
  details: cut(details),
  at: at.getTime(),
  channelName,
  platform,
  memberName,
});
