/** @file The bot process: web chat, delivery, votes, outbox and http server, started and stopped together. */
import { join } from 'node:path';
import type { WebSocketServerLike } from '@hono/node-server';
import { WebSocketServer } from 'ws';
import type { CommandContext } from '../commands/contract.ts';
import type { Config } from '../core/config.ts';
import { KronaError } from '../core/errors.ts';
import { decodeSparingly } from '../core/pictures/picture.ts';
import { signLink } from '../storage/links.ts';
import type { Storage } from '../storage/open.ts';
import { collectRecords } from '../operation/collect.ts';
import { requireWorker, type Check } from '../operation/readiness.ts';
import { startStatus } from '../operation/status.ts';
import type { StatusServer } from '../operation/status-server.ts';
import { relayOutbox } from '../storage/outbox.ts';
import { createRestApi } from './api/routes.ts';
import { watchWebhooks } from './api/webhooks.ts';
import { Delivery } from './delivery/delivery.ts';
import { createHandlers } from './dispatch.ts';
import { watchDuels } from './duels.ts';
import { linkExpiry, originOfFiles } from './files.ts';
import { installLink } from './slack/install-link.ts';
import type { Gateway } from './gateway.ts';
import { createHttp, listen } from './http.ts';
import type { Log } from '../core/log.ts';
import { Outages } from './outages.ts';
import { VoteDesk } from './votes.ts';
import { Identity } from './web/identity.ts';
import { Pace } from './pace.ts';
import { buildPage } from './web/page.ts';
import { mountWeb } from './web/routes.ts';
import { Uploads } from './web/uploads.ts';
import { watchSockets } from './web/sockets.ts';
import { WebGateway } from './web/web-gateway.ts';

export interface Bot {
  /** The address that a browser on this machine opens. */
  readonly address: string;
  /** The same address, which also makes the browser a moderator's. For the terminal only. */
  readonly moderatorAddress: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Where monitoring asks; null: nowhere. */
  readonly statusAddress: string | null;
  /** Finishes what is under way. The storage stays open. */
  stop(): Promise<void>;
}

export interface BotOptions {
  readonly log: Log;
}

/**
 * Starts the bot on an open storage.
 *
 * @throws KronaError KRONA_PORT_TAKEN, KRONA_HOST_INVALID, DISCORD_TOKEN_INVALID, DISCORD_SHARDS_NEEDED,
 * DISCORD_UNREACHABLE, KRONA_STATUS_PORT_TAKEN
 */
export async function startBot(storage: Storage, config: Config, { log }: BotOptions): Promise<Bot> {
  decodeSparingly();
  const context = { records: storage.records, blobs: storage.blobs, jobs: storage.jobs };
  const app = createHttp(config, storage.blobs, log, await originOfFiles(storage.blobs, config));
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4096 });
  const [uploads, page] = await Promise.all([Uploads.open(join(config.dataFolder, 'uploads')), buildPage()]);
  const { secret, webAccess } = config;
  const web = new WebGateway({ context, secret, access: webAccess, uploads, log });
  const secure = config.publicUrl?.startsWith('https:') ?? false;
  const pace = webAccess.local ? null : new Pace();
  const identity = new Identity({ records: storage.records, secret, access: webAccess, secure, pace });
  // Until the server listens, the port that it asked for.
  let address = config.publicUrl ?? `http://localhost:${config.port}`;
  const linkToInstall = config.slack?.oauth ? () => installLink(address, secret) : null;
  mountWeb(app, {
    gateway: web,
    context,
    uploads,
    page,
    identity,
    pace,
    config,
    installLink: linkToInstall,
    sockets,
  });
  const link = (hash: string, fileName: string): string =>
    address + signLink(config.secret, { hash, fileName, expiresAt: linkExpiry() });

  app.route('/api/v1', createRestApi({ context, link, address: () => address }));
  const gateways = [
    web,
    ...(await platformGateways(config, { context, app, log, address: () => address, link })),
  ];
  const outages = new Outages({ storage, log });
  const stopGateways: (() => Promise<void>)[] = [];
  const stopRelay = relayOutbox(storage.records, storage.jobs, {
    onError: (error) =>
      log.error({ error }, 'could not move jobs from the records to the queue; trying again'),
    onRecovered: () => log.info({}, 'moves jobs from the records to the queue again'),
    onRestored: (count) => log.warn({ count }, 'the queue had lost jobs; they are queued again'),
  });
  const stopDuels = watchDuels(storage.records, log);
  const { webhookOrigins: origins } = config;
  const stopWebhooks = watchWebhooks({ context, link, secret, origins, log });
  const stopWatching = watchSockets(sockets, webAccess.trustedProxies);
  let status: StatusServer | null = null;
  const stopAll = async () => {
    await status?.close();
    await Promise.all(stopGateways.map((stop) => stop()));
    await stopRelay();
    await stopDuels();
    await stopWebhooks();
    await outages.stop();
  };
  try {
    for (const gateway of gateways) stopGateways.push(await runGateway(gateway, { context, outages, log }));
    status = await startStatus('bot', {
      ...{ storage, config, log },
      checks: checksOf(gateways, storage),
      collect: collectRecords(storage.records),
    });
    const server = await listen(app, config, sockets as unknown as WebSocketServerLike);
    ({ address } = server);
    outages.start();
    return {
      address: server.address,
      moderatorAddress: `${server.address}/?moderator=${encodeURIComponent(webAccess.moderatorKey)}`,
      port: server.port,
      statusAddress: status?.address ?? null,
      async stop() {
        stopWatching();
        await server.close();
        await stopAll();
      },
    };
  } catch (error) {
    stopWatching();
    await stopAll();
    throw error;
  }
}

/** What a bot needs, beside the storage. */
const checksOf = (gateways: readonly Gateway[], { records }: Storage): Record<string, Check> => ({
  ...Object.fromEntries(gateways.map((gateway) => [gateway.platform, connected(gateway)])),
  worker: () => requireWorker(records),
});

/** Asks whether a platform's events arrive. */
const connected =
  (gateway: Gateway): Check =>
  async () => {
    if (!gateway.isConnected())
      throw new KronaError(
        'NOT_CONNECTED',
        `There is no connection to ${gateway.platform}. Krona tries again.`,
        { retryable: true },
      );
  };

interface PlatformParts {
  readonly context: CommandContext;
  readonly app: Parameters<typeof mountWeb>[0];
  readonly log: Log;
  /** The bot's public address. */
  readonly address: () => string;
  /** The address of a file, for a blob's hash. */
  readonly link: (hash: string, fileName: string) => string;
}

/** Discord's and Slack's gateways, loaded only where they are used: their clients take time and some 20 MB each. */
async function platformGateways(
  { discord, slack, secret }: Config,
  { context, app, log, address, link }: PlatformParts,
): Promise<Gateway[]> {
  const gateways: Gateway[] = [];
  if (discord !== null) {
    const { DiscordGateway } = await import('./discord/discord-gateway.ts');
    gateways.push(new DiscordGateway({ config: discord, blobs: context.blobs, log, link }));
  }
  if (slack !== null) {
    const { SlackGateway } = await import('./slack/slack-gateway.ts');
    const gateway = new SlackGateway({ config: slack, secret, context, log, address, link });
    gateway.mount(app);
    gateways.push(gateway);
  }
  return gateways;
}

interface Shared {
  readonly context: CommandContext;
  readonly outages: Outages;
  readonly log: Log;
}

/** Connects a gateway with delivery and votes; the returned function stops all three. */
async function runGateway(gateway: Gateway, { context, outages, log }: Shared): Promise<() => Promise<void>> {
  const delivery = new Delivery(gateway, context, log);
  const votes = new VoteDesk(gateway, context, log);
  const heard = outages.watch(gateway);
  await gateway.start(createHandlers({ platform: gateway.platform, context, delivery, votes, log, heard }));
  delivery.start();
  const reading = votes.readAgain();
  return async () => {
    votes.stop();
    await gateway.stop();
    await delivery.stop();
    await reading;
  };
}
