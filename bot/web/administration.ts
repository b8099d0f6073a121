/** @file What the administrator's page asks for: all channels at a glance, and what an administrator does about it. */
import { statfs } from 'node:fs/promises';
import { Hono } from 'hono';
import * as v from 'valibot';
import type { CommandContext } from '../../commands/contract.ts';
import { callCommand } from '../../commands/index.ts';
import { note } from '../../commands/rules/audit.ts';
import { workRecord, type JobWork } from '../../commands/work/channel-queue.ts';
import { requeueWork, workName } from '../../commands/work/requeue.ts';
import { stopWork } from '../../commands/work/work.ts';
import type { ListedToken } from '../../core/api-tokens.ts';
import type { Config } from '../../core/config.ts';
import { storageLimit } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import type { LoggedEntry, OverviewWork } from '../../core/overview.ts';
import type { Channel } from '../../core/records.ts';
import { describeDevice, describeDoing, isTaking, type WorkerRecord } from '../../core/workers.ts';
import { describeComputer } from '../../core/settings/computer.ts';
import { makeToken, revokeToken, webhookKey } from '../api/tokens.ts';
import { checked, text, uuid } from '../request.ts';
import { modelRoutes, modelViews } from './administration-models.ts';
import type { Identity } from './identity.ts';
import type {
  AdministrationView,
  EntryView,
  RulesView,
  SlackView,
  TokenView,
  WorkerView,
  WorkView,
} from './protocol.ts';

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
  /** A link that installs the app in a further Slack workspace; null: it can't be. */
  readonly installLink: (() => string) | null;
}

/** Routes below `/administration`; each is for moderators of the installation only. */
export function administrationRoutes(parts: AdministrationParts) {
  const { context: commands, identity } = parts;
  return new Hono()
    .use(async (context, next) => {
      await identity.require(context);
      identity.requireModerator(context, 'look after the installation');
      await next();
    })
    .get('/', async (context) => context.json(await overview(parts)))
    .get('/channels/:id/rules', async (context) => {
      const channel = await requireChannel(commands, context.req.param('id'));
      const member = await identity.require(context);
      const actor = { channel, member, moderator: true, manager: true, roles: [] };
      const asked = { ...actor, action: 'show', options: {}, attachments: [] };
      const { text = [], table } = await callCommand('rules', asked, commands);
      const rules: RulesView = { text, rows: table?.rows ?? [] };
      return context.json(rules);
    })
    .route('/models', modelRoutes(parts))
    .route('/', workRoutes(parts))
    .route('/', tokenRoutes(parts));
}

/** What an administrator does about jobs and workers. */
function workRoutes({ context: commands, identity }: AdministrationParts) {
  const { records } = commands;
  return new Hono()
    .post('/work/:id/cancel', async (context) => {
      const { work, channel } = await requireWork(commands, context.req.param('id'));
      await stopWork(work, commands);
      const actor = { channel, member: await identity.require(context) };
      await note(records, actor, 'queue', `cancelled by an administrator: ${workName(work)}`, {
        targetId: context.req.param('id'),
      });
      return context.json({});
    })
    .post('/work/:id/requeue', async (context) => {
      const { work, channel } = await requireWork(commands, context.req.param('id'));
      await requeueWork({ channel, member: await identity.require(context) }, work, commands);
      return context.json({});
    })
    .post('/workers/:id/drain', async (context) => {
      await records.drainWorkers([context.req.param('id')]);
      return context.json({});
    });
}

const NEW_TOKEN = v.object({ channel: uuid, name: text(100), webhook: text(500) });

/** Tokens of the REST API. */
function tokenRoutes({ context: commands, identity, config }: AdministrationParts) {
  const { secret, webhookOrigins: origins } = config;
  return new Hono()
    .post('/tokens', checked('json', NEW_TOKEN), async (context) => {
      const { channel: channelId, name, webhook: typed } = context.req.valid('json');
      const maker = {
        channel: await requireChannel(commands, channelId),
        member: await identity.require(context),
      };
      const webhook = typed.trim() === '' ? null : typed.trim();
      const { id, token } = await makeToken(commands.records, maker, { name, webhook, origins });
      return context.json({ token, webhookKey: webhook === null ? null : webhookKey(secret, id) }, 201);
    })
    .delete('/tokens/:id', async (context) => {
      await revokeToken(commands.records, await identity.require(context), context.req.param('id'));
      return context.json({});
    });
}

/** @throws KronaError CHANNEL_UNKNOWN */
async function requireChannel({ records }: CommandContext, id: string): Promise<Channel> {
  const channel = await records.channelById(id);
  if (channel !== null) return channel;
  throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
}

/** A run or set, with its channel. @throws KronaError WORK_UNKNOWN */
async function requireWork(
  commands: CommandContext,
  id: string,
): Promise<{ work: JobWork; channel: Channel }> {
  const [run, set] = [await commands.records.run(id), await commands.records.set(id)];
  const work: JobWork | null = run ? { kind: 'run', run } : set ? { kind: 'set', set } : null;
  if (work === null) throw new KronaError('WORK_UNKNOWN', 'This job was deleted. Reload the page.');
  return { work, channel: await requireChannel(commands, workRecord(work).channelId) };
}

async function overview({ context, config, installLink }: AdministrationParts): Promise<AdministrationView> {
  const { records } = context;
  const { dataFolder, webhookOrigins } = config;
  const channels = await records.channelsOfAll(MOST_CHANNELS);
  const card = await records.modelCard();
  const { bsize, bavail, blocks } = await statfs(dataFolder);
  return {
    computer: describeComputer(card),
    workers: (await records.workers()).map(workerView),
    open: (await records.openWorkOfAll(MOST_OPEN)).map(workView),
    ended: (await records.endedWorkOfAll(MOST_ENDED)).map(workView),
    disk: {
      free: bavail * bsize,
      size: blocks * bsize,
      stored: await records.storedBytesInAll(),
      limit: storageLimit(),
    },
    channels,
    models: await modelViews(context, card, channels),
    tokens: (await records.listApiTokens()).map(tokenView),
    webhooks: webhookOrigins.length > 0,
    slack: installLink && (await slackView(records, installLink())),
    log: (await records.auditOfAll(MOST_ENTRIES)).map(entryView),
  };
}

async function slackView(records: CommandContext['records'], installLink: string): Promise<SlackView> {
  const installed = await records.installations('slack');
  return {
    installLink,
    workspaces: installed.map(({ serverId, name, installedAt }) => ({
      ...{ id: serverId, name, at: installedAt.getTime() },
    })),
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
