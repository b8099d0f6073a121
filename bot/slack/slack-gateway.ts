/**
 * @file Slack as a gateway: cards become messages of Block Kit, and events come in through Bolt, over a WebSocket (Socket
 * Mode) or over HTTP.
 */
import { randomUUID } from 'node:crypto';
import { App } from '@slack/bolt';
import type { Hono } from 'hono';
import type { Card } from '../../commands/card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { SlackConfig } from '../../core/config.ts';
import type { Log } from '../../core/log.ts';
import type { Channel } from '../../core/records.ts';
import type { Gateway, GatewayHandlers, Outage, Party, StandingReaction } from '../gateway.ts';
import { UnderWay } from '../under-way.ts';
import { Answering } from './answering.ts';
import { Answers } from './answers.ts';
import { isTokenDead, tokenInvalid } from './failures.ts';
import { FileDeletion } from './file-deletion.ts';
import { HeardChannels } from './heard-channels.ts';
import { HttpReceiver } from './http-receiver.ts';
import { Incoming } from './incoming.ts';
import { missingScopes } from './installation.ts';
import { Members } from './members.ts';
import { Messages } from './messages.ts';
import { PhotoDownloads } from './photo-download.ts';
import { Renderer } from './renderer.ts';
import { SlackFiles } from './slack-files.ts';
import { SocketReceiver } from './socket-receiver.ts';
import { ThreadFiles } from './thread-files.ts';
import { Uploading } from './uploading.ts';
import { Votes } from './votes.ts';
import { SlackApi, slackLogger } from './web-api.ts';

/** A connection lost for longer may have cost events: Slack sends them again only for a while. */
const AWAY = 10_000;

export interface SlackParts {
  readonly config: SlackConfig;
  readonly context: CommandContext;
  readonly log: Log;
  /** The signed link to a blob, with the bot's public address. */
  link(hash: string, fileName: string): string;
}

export class SlackGateway implements Gateway {
  readonly platform = 'slack';
  readonly #parts: SlackParts;
  readonly #api: SlackApi;
  readonly #deletion: FileDeletion;
  readonly #messages: Messages;
  readonly #members: Members;
  readonly #answering: Answering;
  readonly #votes: Votes;
  readonly #heard = new HeardChannels();
  readonly #receiver: SocketReceiver | HttpReceiver;
  readonly #underWay = new UnderWay();
  #incoming: Incoming | null = null;
  #handlers: GatewayHandlers | null = null;
  #botUser = '';
  #team = '';

  constructor(parts: SlackParts) {
    const { config, context, log } = parts;
    this.#parts = parts;
    this.#api = new SlackApi(config.botToken, config.api, log);
    this.#members = new Members(this.#api, () => this.#team, log);
    this.#votes = new Votes(this.#api, this.#members, log);
    const uploading = new Uploading(this.#api, context.records);
    this.#deletion = new FileDeletion(this.#api, context.records, log);
    const files = new SlackFiles(uploading, this.#deletion, context);
    const shared = {
      api: this.#api,
      files,
      renderer: new Renderer(files, (hash, name) => parts.link(hash, name)),
      underWay: this.#underWay,
      log,
    };
    this.#messages = new Messages({
      ...shared,
      threads: new ThreadFiles(this.#api, uploading, context.blobs),
      votes: this.#votes,
      heard: this.#heard,
      botUser: () => this.#botUser,
    });
    this.#answering = new Answering({
      ...shared,
      answers: new Answers(this.#api, log),
      post: (channelId, card, nonce) => this.#messages.postNew(channelId, card, nonce),
    });
    this.#receiver = this.#newReceiver();
  }

  /** Adds the route for events to the bot's server, where they come over HTTP. */
  mount(server: Hono): void {
    if (this.#receiver instanceof HttpReceiver) this.#receiver.mount(server);
  }

  editInterval(age: number): number {
    return this.#messages.editInterval(age);
  }

  isConnected(): boolean {
    return this.#receiver.isConnected;
  }

  /** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  async start(handlers: GatewayHandlers): Promise<void> {
    const { config, context, log } = this.#parts;
    const botId = await this.#signIn();
    const app = new App({
      receiver: this.#receiver,
      authorize: async () => ({
        botToken: config.botToken,
        botUserId: this.#botUser,
        ...(botId !== undefined && { botId }),
      }),
      convoStore: false,
      logger: slackLogger(log),
      clientOptions: config.api === null ? {} : { slackApiUrl: config.api },
    });
    this.#incoming = new Incoming({
      api: this.#api,
      botUser: this.#botUser,
      team: this.#team,
      context,
      members: this.#members,
      downloads: new PhotoDownloads(this.#api, config.botToken, config.api),
      heard: this.#heard,
      log,
      handlers,
      tell: (caller, card) => this.#answering.tell(caller, card),
      answer: (caller, cards) => this.#answering.answer(caller, cards),
    });
    this.#incoming.listen(app);
    this.#handlers = handlers;
    await context.records.dropStrayPlatformFiles('slack');
    await this.#receiver.start();
    this.#deletion.start();
  }

  async stop(): Promise<void> {
    this.#handlers = null;
    await this.#receiver.stop();
    await this.#incoming?.stop();
    this.#votes.invitations.stop();
    await this.#underWay.idle();
    this.#api.close();
    await this.#deletion.stop();
  }

  post({ externalId }: Channel, card: Card, nonce: string): Promise<string> {
    return this.#messages.post(externalId, card, nonce);
  }

  edit({ externalId }: Channel, messageId: string, card: Card): Promise<void> {
    return this.#messages.edit(externalId, messageId, card);
  }

  remove({ externalId }: Channel, messageId: string): Promise<void> {
    return this.#messages.remove(externalId, messageId);
  }

  readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    return this.#votes.standing(channel, messageId, this.#botUser);
  }

  invite({ externalId }: Channel, messageId: string, card: Card): void {
    this.#underWay.add(this.#votes.invitations.invite(externalId, messageId, card));
  }

  async tellOutage({ card }: Outage, places: readonly Party[]): Promise<void> {
    await Promise.all(places.map(({ externalId }) => this.#messages.postNew(externalId, card, randomUUID())));
  }

  #newReceiver(): SocketReceiver | HttpReceiver {
    const { config, log } = this.#parts;
    if (config.appToken === null) return new HttpReceiver(config.signingSecret ?? '', log);
    return new SocketReceiver({
      appToken: config.appToken,
      api: config.api,
      log,
      onReturn: (away) => {
        if (away > AWAY && this.#handlers) this.#underWay.add(this.#handlers.onMissed());
      },
    });
  }

  /** Checks the tokens and finds out who the bot is. Returns the bot's id. */
  async #signIn(): Promise<string | undefined> {
    const { config } = this.#parts;
    if (!/^(xoxe\.)?xoxb-/.test(config.botToken)) throw tokenInvalid('SLACK_BOT_TOKEN');
    if (config.appToken !== null && !config.appToken.startsWith('xapp-'))
      throw tokenInvalid('SLACK_APP_TOKEN');
    const who = await this.#api
      .call('auth.test', (client) => client.auth.test())
      .catch((error: unknown) => {
        throw isTokenDead(error) ? tokenInvalid('SLACK_BOT_TOKEN', error) : error;
      });
    this.#botUser = who.user_id ?? '';
    this.#team = who.team_id ?? '';
    this.#warnOfScopes(who.response_metadata?.scopes ?? []);
    return who.bot_id;
  }

  #warnOfScopes(granted: readonly string[]): void {
    for (const { scope, without } of missingScopes(granted))
      this.#parts.log.warn(
        { code: 'SLACK_SCOPE_MISSING', scope },
        `Slack: the app lacks the scope ${scope}, so ${without}. Add it at api.slack.com/apps under OAuth & Permissions, and reinstall the app.`,
      );
  }
}
