/**
 * @file Slack as a gateway. Events of all workspaces come in through one receiver of Bolt, over a WebSocket (Socket Mode) or
 * over HTTP, and go to the workspace that they are of.
 */
import type { ReceiverEvent } from '@slack/bolt';
import type { Hono } from 'hono';
import type { Card } from '../../commands/card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { SlackConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Channel } from '../../core/records.ts';
import type { Gateway, GatewayHandlers, Outage, Party, StandingReaction } from '../gateway.ts';
import { stopping } from '../stopping.ts';
import { UnderWay } from '../under-way.ts';
import { tokenInvalid } from './failures.ts';
import { HttpReceiver } from './http-receiver.ts';
import { ownId } from '../../core/own-id.ts';
import { InstalledWorkspaces } from './installed.ts';
import { type Installed, OAuth } from './oauth.ts';
import { SocketReceiver } from './socket-receiver.ts';
import { teamOf } from './team-of.ts';
import { Workspace, type WorkspaceParts } from './workspace.ts';

/** A connection lost for longer may have cost events: Slack sends them again only for a while. */
const AWAY = 10_000;
/** How long an event waits for its workspace to be served, ms: Slack waits 3 s. */
const LONGEST_WAIT = 2_500;

export interface SlackParts {
  readonly config: SlackConfig;
  /** Seals the tokens of workspaces. */
  readonly secret: string;
  readonly context: CommandContext;
  readonly log: Log;
  /** The bot's public address. */
  address(): string;
  /** The signed link to a blob, with the bot's public address. */
  link(hash: string, fileName: string): string;
}

export class SlackGateway implements Gateway {
  readonly platform = 'slack';
  readonly #oauth: OAuth | null;
  readonly #parts: SlackParts;
  readonly #receiver: SocketReceiver | HttpReceiver;
  /** The workspace of SLACK_BOT_TOKEN. */
  readonly #home: Workspace | null;
  readonly #installed: InstalledWorkspaces;
  readonly #underWay = new UnderWay();
  readonly #stopping = new AbortController();
  #handlers: GatewayHandlers | null = null;

  constructor(parts: SlackParts) {
    const { config, log, secret, context } = parts;
    this.#parts = parts;
    this.#home =
      config.botToken === null
        ? null
        : this.#workspace({
            ...{ token: config.botToken, origin: 'SLACK_BOT_TOKEN', team: null },
            onRemoved: () => log.warn({}, 'Slack: Krona was removed from the workspace of SLACK_BOT_TOKEN'),
          });
    this.#installed = new InstalledWorkspaces({
      ...{ secret, records: context.records, log },
      underWay: this.#underWay,
      stopping: this.#stopping.signal,
      workspace: (its) => this.#workspace(its),
      start: (workspace) => this.#start(workspace),
    });
    this.#oauth =
      config.oauth &&
      new OAuth({
        ...{ app: config.oauth, api: config.api, secret, log },
        address: () => parts.address(),
        onInstalled: (installation) => this.#onInstalled(installation),
      });
    this.#receiver =
      config.appToken === null
        ? new HttpReceiver(config.signingSecret ?? '', log)
        : new SocketReceiver({
            ...{ appToken: config.appToken, api: config.api, log },
            onReturn: (away) => {
              if (away > AWAY && this.#handlers) this.#underWay.add(this.#handlers.onMissed());
            },
          });
    this.#receiver.init({ processEvent: (event) => this.#take(event) });
  }

  /** Adds the routes for events, where they come over HTTP, and for installing the app. */
  mount(server: Hono): void {
    if (this.#receiver instanceof HttpReceiver) this.#receiver.mount(server);
    this.#oauth?.mount(server);
  }

  editInterval(age: number): number {
    return Math.max(...this.#all().map((workspace) => workspace.editInterval(age)), 0);
  }

  isConnected(): boolean {
    return this.#receiver.isConnected;
  }

  /** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE for the workspace of the configuration */
  async start(handlers: GatewayHandlers): Promise<void> {
    this.#handlers = handlers;
    try {
      await this.#begin(handlers);
    } catch (error) {
      // What has begun would keep the process alive.
      await this.stop();
      throw error;
    }
  }

  async #begin(handlers: GatewayHandlers): Promise<void> {
    const { config, context } = this.#parts;
    await context.records.dropStrayPlatformFiles('slack');
    await this.#home?.start(handlers);
    if (config.appToken !== null && !config.appToken.startsWith('xapp-'))
      throw tokenInvalid('SLACK_APP_TOKEN');
    for (const installation of await context.records.installations('slack'))
      if (installation.serverId !== this.#home?.team) this.#installed.open(installation);
    await this.#receiver.start();
  }

  async stop(): Promise<void> {
    this.#handlers = null;
    this.#stopping.abort();
    await this.#receiver.stop();
    await Promise.all(this.#all().map((workspace) => workspace.stop()));
    await this.#underWay.idle();
  }

  async post(channel: Channel, card: Card, nonce: string): Promise<string> {
    return this.#of(channel).post(channel, card, nonce);
  }

  async edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    return this.#of(channel).edit(channel, messageId, card);
  }

  async remove(channel: Channel, messageId: string): Promise<void> {
    return this.#of(channel).remove(channel, messageId);
  }

  async readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    // Votes of the others don't wait for it.
    if (channel.serverId !== null && this.#installed.isLost(channel.serverId))
      throw new KronaError('CHANNEL_GONE', 'Krona’s token for the workspace of this channel is no use.');
    return this.#of(channel).readReactions(channel, messageId);
  }

  invite(channel: Channel, messageId: string, card: Card): void {
    this.#find(channel.serverId)?.invite(channel, messageId, card);
  }

  async tellOutage(outage: Outage, places: readonly Party[]): Promise<void> {
    await Promise.all(
      places.map(async ({ externalId }) => {
        const workspace = this.#all().find((each) => each.hears(externalId));
        await workspace?.tellOutage(outage, externalId);
      }),
    );
  }

  #all(): Workspace[] {
    return [...(this.#home ? [this.#home] : []), ...this.#installed.all];
  }

  /** @returns null: known, and not served (yet); undefined: Krona isn't there */
  #find(team: string | null): Workspace | null | undefined {
    if (team === null || team === this.#home?.team) return this.#home ?? undefined;
    const installed = this.#installed.find(team);
    // Somebody of a workspace that has no app can act in a channel that it shares.
    return installed === undefined && this.#installed.size === 0 ? (this.#home ?? undefined) : installed;
  }

  /** @throws KronaError CHANNEL_GONE, SLACK_WORKSPACE_WAITS */
  #of({ serverId, externalId }: Pick<Channel, 'serverId' | 'externalId'>): Workspace {
    const workspace = this.#find(serverId);
    if (workspace === null) throw notYet();
    // Another workspace's token can't be used for it, also when that is the only one left.
    const isOther =
      workspace === this.#home && serverId !== workspace?.team && externalId !== ownId(externalId);
    if (workspace !== undefined && !isOther) return workspace;
    throw new KronaError('CHANNEL_GONE', "Krona was removed from this channel's workspace.");
  }

  async #take(event: ReceiverEvent): Promise<void> {
    const team = teamOf(event.body);
    const known = this.#find(team);
    const workspace =
      known === null && team !== null ? await this.#installed.awaited(team, LONGEST_WAIT) : known;
    if (workspace) return workspace.take(event);
    // Slack sends it again, unless it is acknowledged, and stops sending any where most are not: nobody would ever take this.
    if (known === undefined || this.#installed.isLost(team ?? '')) await event.ack();
  }

  /** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE, STOPPING */
  async #start(workspace: Workspace): Promise<void> {
    if (this.#handlers === null) throw stopping();
    await workspace.start(this.#handlers);
  }

  #workspace(parts: Pick<WorkspaceParts, 'token' | 'origin' | 'team' | 'onRemoved'>): Workspace {
    const { config, context, log } = this.#parts;
    const link = (hash: string, name: string) => this.#parts.link(hash, name);
    return new Workspace({ ...parts, apiAddress: config.api, context, log, link });
  }

  /** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  async #onInstalled(installed: Installed): Promise<void> {
    if (installed.team !== this.#home?.team) await this.#installed.add(installed);
  }
}

const notYet = (): KronaError =>
  new KronaError(
    'SLACK_WORKSPACE_WAITS',
    'Slack can’t be reached for this channel’s workspace, or its token is lost; the log says which. Krona tries again.',
    { retryable: true },
  );
