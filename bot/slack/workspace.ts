/** @file The bot in one workspace: its cards become messages of Block Kit there, and the workspace's events are read. */
import { randomUUID } from 'node:crypto';
import { App, type Receiver, type ReceiverEvent } from '@slack/bolt';
import type { Card } from '../../commands/card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { Log } from '../../core/log.ts';
import type { Channel } from '../../core/records.ts';
import type { GatewayHandlers, Outage, StandingReaction } from '../gateway.ts';
import { UnderWay } from '../under-way.ts';
import { Answering } from './answering.ts';
import { Answers } from './answers.ts';
import { isTokenDead, tokenInvalid, type TokenOrigin } from './failures.ts';
import { FileDeletion } from './file-deletion.ts';
import { HeardChannels } from './heard-channels.ts';
import { ownId } from '../../core/own-id.ts';
import { Ids } from './ids.ts';
import { Incoming } from './incoming.ts';
import { missingScopes } from './installation.ts';
import { Members } from './members.ts';
import { Messages } from './messages.ts';
import { PhotoDownloads } from './photo-download.ts';
import { Renderer } from './renderer.ts';
import { SlackFiles } from './slack-files.ts';
import { ThreadFiles } from './thread-files.ts';
import { Uploading } from './uploading.ts';
import { Votes } from './votes.ts';
import { SlackApi, slackLogger } from './web-api.ts';

export interface WorkspaceParts {
  /** The bot's token, `xoxb-…`, and where it comes from. */
  readonly token: string;
  readonly origin: TokenOrigin;
  /** Slack's id of the workspace; null where only the token tells: that of the configuration. */
  readonly team: string | null;
  /** The Web API's address; null: Slack's own. */
  readonly apiAddress: string | null;
  readonly context: CommandContext;
  readonly log: Log;
  /** The signed link to a blob, with the bot's public address. */
  link(hash: string, fileName: string): string;
  /** An event says that the app was removed from the workspace. */
  onRemoved(): void;
}

export class Workspace {
  readonly #parts: WorkspaceParts;
  readonly #api: SlackApi;
  readonly #deletion: FileDeletion;
  readonly #messages: Messages;
  readonly #members: Members;
  readonly #answering: Answering;
  readonly #votes: Votes;
  readonly #heard = new HeardChannels();
  readonly #underWay = new UnderWay();
  #app: App | null = null;
  #incoming: Incoming | null = null;
  #botUser = '';
  #team: string;
  #ids: Ids;

  constructor(parts: WorkspaceParts) {
    const { token, origin, team, apiAddress, context, log } = parts;
    this.#parts = parts;
    this.#team = team ?? '';
    this.#ids = Ids.of(this.#team, [], true);
    const place = { platform: 'slack', serverId: this.#team } as const;
    this.#api = new SlackApi(token, apiAddress, log, origin);
    this.#members = new Members(this.#api, () => ({ team: this.#team, ids: this.#ids }), log);
    this.#votes = new Votes(this.#api, this.#members, log);
    const uploading = new Uploading(this.#api, context.records, place);
    this.#deletion = new FileDeletion(this.#api, context.records, place, log);
    const files = new SlackFiles(uploading, this.#deletion, context.blobs);
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
  }

  /** Slack's id of the workspace; '' until `start` where only the token tells. */
  get team(): string {
    return this.#team;
  }

  /** Whether somebody was heard in a channel just now. */
  hears(externalId: string): boolean {
    return this.#ids.has(externalId) && this.#heard.isAlive(ownId(externalId));
  }

  /** Takes events from now on. @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  async start(handlers: GatewayHandlers): Promise<void> {
    const { token, apiAddress, context, log } = this.#parts;
    const botId = await this.#signIn();
    const channels = await context.records.channels('slack');
    this.#ids = Ids.of(this.#team, channels, this.#parts.origin === 'SLACK_BOT_TOKEN');
    const app = new App({
      receiver: NO_RECEIVER,
      authorize: async () => ({
        botToken: token,
        botUserId: this.#botUser,
        ...(botId !== undefined && { botId }),
      }),
      convoStore: false,
      logger: slackLogger(log),
      clientOptions: apiAddress === null ? {} : { slackApiUrl: apiAddress },
    });
    this.#incoming = new Incoming({
      api: this.#api,
      botUser: this.#botUser,
      team: this.#team,
      ids: this.#ids,
      context,
      members: this.#members,
      downloads: new PhotoDownloads(this.#api, token, apiAddress),
      heard: this.#heard,
      log,
      handlers,
      tell: (caller, card) => this.#answering.tell(caller, card),
      answer: (caller, cards) => this.#answering.answer(caller, cards),
      onRemoved: () => this.#parts.onRemoved(),
    });
    this.#incoming.listen(app);
    this.#app = app;
    this.#deletion.start();
  }

  /** Handles an event of the workspace. */
  async take(event: ReceiverEvent): Promise<void> {
    await this.#app?.processEvent(event);
  }

  /** Waits for events that are being handled; later ones are not taken. */
  async stop(): Promise<void> {
    await this.#incoming?.stop();
    this.#votes.invitations.stop();
    await this.#underWay.idle();
    this.#api.close();
    await this.#deletion.stop();
  }

  /** Whether Slack takes the token no more. @throws KronaError when Slack can't be asked */
  isRemoved(): Promise<boolean> {
    return this.#api
      .call('auth.test', (client) => client.auth.test())
      .then(
        () => false,
        (error: unknown) => {
          if (isTokenDead(error)) return true;
          throw error;
        },
      );
  }

  editInterval(age: number): number {
    return this.#messages.editInterval(age);
  }

  post({ externalId }: Channel, card: Card, nonce: string): Promise<string> {
    return this.#messages.post(ownId(externalId), card, nonce);
  }

  edit({ externalId }: Channel, messageId: string, card: Card): Promise<void> {
    return this.#messages.edit(ownId(externalId), messageId, card);
  }

  remove({ externalId }: Channel, messageId: string): Promise<void> {
    return this.#messages.remove(ownId(externalId), messageId);
  }

  readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    return this.#votes.standing(channel, messageId, this.#botUser);
  }

  invite({ externalId }: Channel, messageId: string, card: Card): void {
    this.#underWay.add(this.#votes.invitations.invite(ownId(externalId), messageId, card));
  }

  async tellOutage({ card }: Outage, externalId: string): Promise<void> {
    await this.#messages.postNew(ownId(externalId), card, randomUUID());
  }

  /** Checks the token and finds out who the bot is. Returns the bot's id. */
  async #signIn(): Promise<string | undefined> {
    const { token, origin } = this.#parts;
    if (!/^(xoxe\.)?xoxb-/.test(token)) throw tokenInvalid(origin);
    const who = await this.#api
      .call('auth.test', (client) => client.auth.test())
      .catch((error: unknown) => {
        throw isTokenDead(error) ? tokenInvalid(origin, error) : error;
      });
    this.#botUser = who.user_id ?? '';
    this.#team = who.team_id ?? this.#team;
    this.#warnOfScopes(who.response_metadata?.scopes ?? []);
    return who.bot_id;
  }

  #warnOfScopes(granted: readonly string[]): void {
    for (const { scope, without } of missingScopes(granted))
      this.#parts.log.warn(
        { code: 'SLACK_SCOPE_MISSING', scope, workspace: this.#team },
        `Slack: the app lacks the scope ${scope}, so ${without}. Add it at api.slack.com/apps under OAuth & Permissions, and reinstall the app.`,
      );
  }
}

/** Events come through `take`: all workspaces share one connection. */
const NO_RECEIVER: Receiver = { init: () => {}, start: async () => {}, stop: async () => {} };
