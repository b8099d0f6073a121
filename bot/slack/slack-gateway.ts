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
import type { Channel, Installation } from '../../core/records.ts';
import { oncePerState, retry } from '../../core/retrying.ts';
import { seal, unseal } from '../../core/sealed.ts';
import { pauseAfter } from '../../core/backoff.ts';
import type { Gateway, GatewayHandlers, Outage, Party, StandingReaction } from '../gateway.ts';
import { UnderWay } from '../under-way.ts';
import { tokenInvalid } from './failures.ts';
import { HttpReceiver } from './http-receiver.ts';
import { type Installed, OAuth } from './oauth.ts';
import { SocketReceiver } from './socket-receiver.ts';
import { teamOf } from './team-of.ts';
import { Workspace, type WorkspaceParts } from './workspace.ts';

/** A connection lost for longer may have cost events: Slack sends them again only for a while. */
const AWAY = 10_000;
/** Pauses between tries to reach Slack for a workspace. */
const PAUSES = { first: 5_000, longest: 10 * 60_000 };

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
  /** Those in which the app was installed by OAuth, by Slack's id. */
  readonly #installed = new Map<string, Workspace>();
  readonly #underWay = new UnderWay();
  readonly #stopping = new AbortController();
  readonly #warn: (error: unknown) => void;
  #handlers: GatewayHandlers | null = null;

  constructor(parts: SlackParts) {
    const { config, log, secret } = parts;
    this.#parts = parts;
    this.#warn = oncePerState((error) => log.warn({ error }, 'Slack: a workspace cannot be served'));
    this.#home =
      config.botToken === null
        ? null
        : this.#workspace({
            ...{ token: config.botToken, origin: 'SLACK_BOT_TOKEN', team: null },
            onRemoved: () => log.warn({}, 'Slack: Krona was removed from the workspace of SLACK_BOT_TOKEN'),
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
    for (const installation of await context.records.installations('slack')) this.#open(installation);
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
    return this.#of(channel).readReactions(channel, messageId);
  }

  invite(channel: Channel, messageId: string, card: Card): void {
    this.#find(channel)?.invite(channel, messageId, card);
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
    return [...(this.#home ? [this.#home] : []), ...this.#installed.values()];
  }

  #find({ serverId }: Pick<Channel, 'serverId'>): Workspace | null {
    if (serverId === null || serverId === this.#home?.team) return this.#home;
    // A channel that workspaces share can be recorded as of one that has no app.
    return this.#installed.get(serverId) ?? (this.#installed.size === 0 ? this.#home : null);
  }

  /** @throws KronaError CHANNEL_GONE */
  #of(channel: Channel): Workspace {
    const workspace = this.#find(channel);
    if (workspace !== null) return workspace;
    throw new KronaError('CHANNEL_GONE', "Krona was removed from this channel's workspace.");
  }

  async #take(event: ReceiverEvent): Promise<void> {
    const workspace = this.#find({ serverId: teamOf(event.body) });
    if (workspace !== null) return workspace.take(event);
    // Without an acknowledgement Slack sends it again, and nobody would ever take it.
    await event.ack();
  }

  #workspace(parts: Pick<WorkspaceParts, 'token' | 'origin' | 'team' | 'onRemoved'>): Workspace {
    const { config, context, log } = this.#parts;
    const link = (hash: string, name: string) => this.#parts.link(hash, name);
    return new Workspace({ ...parts, apiAddress: config.api, context, log, link });
  }

  /** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  async #onInstalled({ team, name, token }: Installed): Promise<void> {
    const { secret, context } = this.#parts;
    if (team === this.#home?.team) return;
    const sealedToken = seal(secret, sealedFor(team), token);
    await context.records.saveInstallation({ platform: 'slack', serverId: team, name, sealedToken });
    await this.#serve(team, name, token);
  }

  /** Serves a workspace as soon as Slack can be reached for it. */
  #open({ serverId, name, sealedToken }: Installation): void {
    const token = unseal(this.#parts.secret, sealedFor(serverId), sealedToken);
    if (token === null) return this.#warn(sealedOtherwise(name));
    const served = retry(() => this.#serve(serverId, name, token), {
      signal: this.#stopping.signal,
      pause: (error, failures) => {
        this.#warn(error);
        const isLost = error instanceof KronaError && error.code === 'SLACK_TOKEN_INVALID';
        return isLost ? null : pauseAfter(failures, PAUSES);
      },
    });
    this.#underWay.add(served);
  }

  async #serve(team: string, name: string, token: string): Promise<void> {
    const handlers = this.#handlers;
    if (handlers === null) return;
    const onRemoved = () => this.#underWay.add(this.#forget(team, workspace));
    const workspace = this.#workspace({ token, origin: { workspace: name }, team, onRemoved });
    await workspace.start(handlers);
    const before = this.#installed.get(team);
    this.#installed.set(team, workspace);
    await before?.stop();
  }

  /** The app was removed from a workspace. What its channels have made stays. */
  async #forget(team: string, workspace: Workspace): Promise<void> {
    if (this.#installed.get(team) !== workspace) return;
    this.#installed.delete(team);
    this.#parts.log.info({ workspace: team }, 'Slack: Krona was removed from a workspace');
    await this.#parts.context.records.removeInstallation('slack', team);
    await workspace.stop();
  }
}

const sealedFor = (team: string): string => `Slack token of ${team}`;

const sealedOtherwise = (workspace: string): KronaError =>
  new KronaError(
    'SLACK_TOKEN_SEALED',
    `The token for the Slack workspace ${workspace} was stored with another KRONA_SECRET. Set the former secret, or install Krona in the workspace again.`,
  );
