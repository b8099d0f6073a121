/**
 * @file Slack as a gateway: cards become messages of Block Kit, and events come in through Bolt, over a WebSocket (Socket
 * Mode) or over HTTP.
 */
import { App } from '@slack/bolt';
import type { Hono } from 'hono';
import type { Card } from '../../commands/card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { SlackConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Channel } from '../../core/records.ts';
import type { Gateway, GatewayHandlers, StandingReaction } from '../gateway.ts';
import { UnderWay } from '../under-way.ts';
import { Answering } from './answering.ts';
import { Answers } from './answers.ts';
import {
  GONE,
  isTokenDead,
  isUncertain,
  KEPT,
  messageError,
  placeError,
  reasonOf,
  tokenInvalid,
} from './failures.ts';
import { FileDeletion } from './file-deletion.ts';
import { HeardChannels } from './heard-channels.ts';
import { HttpReceiver } from './http-receiver.ts';
import { Incoming } from './incoming.ts';
import { NEEDED_SCOPES } from './manifest.ts';
import { Members } from './members.ts';
import { PhotoDownloads } from './photo-download.ts';
import { Renderer } from './renderer.ts';
import { SlackFiles } from './slack-files.ts';
import { SocketReceiver } from './socket-receiver.ts';
import { POST_EVENT, StandingPosts } from './standing-posts.ts';
import { ThreadFiles } from './thread-files.ts';
import { Uploading } from './uploading.ts';
import { Votes } from './votes.ts';
import { SlackApi, slackLogger } from './web-api.ts';

const MINUTE = 60_000;
/** Slack takes some fifty edits a minute in a workspace: each living message gets its share, ms. */
const SHARE = 1_300;
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
  readonly #files: SlackFiles;
  readonly #deletion: FileDeletion;
  readonly #renderer: Renderer;
  readonly #threads: ThreadFiles;
  readonly #standing: StandingPosts;
  readonly #members: Members;
  readonly #answering: Answering;
  readonly #votes: Votes;
  readonly #heard = new HeardChannels();
  readonly #receiver: SocketReceiver | HttpReceiver;
  readonly #underWay = new UnderWay();
  /** When each message was edited last, ms since the epoch; those of the last half minute. */
  readonly #edited = new Map<string, number>();
  #incoming: Incoming | null = null;
  #handlers: GatewayHandlers | null = null;
  #botUser = '';
  #tokenDead = false;

  constructor(parts: SlackParts) {
    const { config, context, log } = parts;
    this.#parts = parts;
    this.#api = new SlackApi(config.botToken, config.api, log);
    const uploading = new Uploading(this.#api, context.records);
    this.#deletion = new FileDeletion(this.#api, context.records, log);
    this.#files = new SlackFiles(uploading, this.#deletion, context);
    this.#renderer = new Renderer(this.#files, (hash, name) => parts.link(hash, name));
    this.#threads = new ThreadFiles(this.#api, uploading, context.blobs);
    this.#standing = new StandingPosts(this.#api, log);
    this.#members = new Members(this.#api, log);
    this.#votes = new Votes(this.#api, this.#members, log);
    this.#answering = new Answering({
      renderer: this.#renderer,
      files: this.#files,
      answers: new Answers(this.#api, log),
      underWay: this.#underWay,
      log,
      post: (channelId, card, nonce) => this.#post(channelId, card, nonce),
    });
    this.#receiver = this.#newReceiver();
  }

  /** Adds the route for events to the bot's server, where they come over HTTP. */
  mount(server: Hono): void {
    if (this.#receiver instanceof HttpReceiver) this.#receiver.mount(server);
  }

  /** 3 s, longer with age and when many messages are edited: all edits of a workspace share one limit. */
  editInterval(age: number): number {
    const since = Date.now() - MINUTE / 2;
    for (const [message, at] of this.#edited) if (at < since) this.#edited.delete(message);
    const byAge = age < 10 * MINUTE ? 3_000 : age < 60 * MINUTE ? 5_000 : 15_000;
    return Math.max(byAge, this.#edited.size * SHARE);
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

  /**
   * Slack knows no nonce, so it goes into the message's metadata, where it is looked for before posting. Exactly once
   * holds within a process as long as Slack answers. Across a kill, or when Slack's answer was lost, it holds where the
   * app has the optional scopes channels:history and groups:history (conversations.history, the channel's newest 1,000
   * messages); without them such a message may appear twice, and is never missing.
   */
  async post(channel: Channel, card: Card, nonce: string): Promise<string> {
    const id = channel.externalId;
    try {
      return (await this.#standing.find(id, nonce)) ?? (await this.#post(id, card, nonce));
    } catch (error) {
      this.#tellOfDeadToken(error);
      throw placeError(error, this.#heard.isAlive(id));
    }
  }

  async edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    const id = channel.externalId;
    try {
      const { keys } = await this.#renderer.send(card, (rendered) =>
        this.#api.call('chat.update', (client) =>
          client.chat.update({ channel: id, ts: messageId, ...rendered, parse: 'none', link_names: false }),
        ),
      );
      this.#edited.set(`${id} ${messageId}`, Date.now());
      this.#follow(id, messageId, card, keys);
    } catch (error) {
      this.#tellOfDeadToken(error);
      throw messageError(error);
    }
  }

  async remove({ externalId: channel }: Channel, ts: string): Promise<void> {
    await this.#api
      .call('chat.delete', (client) => client.chat.delete({ channel, ts }))
      .catch((error: unknown) => {
        const reason = reasonOf(error) ?? '';
        if (KEPT.includes(reason))
          throw new KronaError('DELETE_FORBIDDEN', 'Slack does not let Krona delete this message.', {
            cause: error,
          });
        if (!GONE.includes(reason)) throw error;
      });
    // FileDeletion deletes the files that it showed.
    this.#edited.delete(`${channel} ${ts}`);
  }

  readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    return this.#votes.standing(channel, messageId, this.#botUser);
  }

  invite({ externalId }: Channel, messageId: string, card: Card): void {
    this.#underWay.add(this.#votes.invitations.invite(externalId, messageId, card));
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
    this.#warnOfScopes(who.response_metadata?.scopes ?? []);
    return who.bot_id;
  }

  async #post(channelId: string, card: Card, nonce: string): Promise<string> {
    const { sent, keys } = await this.#renderer.send(card, (rendered) =>
      this.#api
        .inTurn(channelId, 'chat.postMessage', (client) =>
          client.chat.postMessage({
            channel: channelId,
            ...rendered,
            metadata: { event_type: POST_EVENT, event_payload: { nonce } },
            unfurl_links: false,
            unfurl_media: false,
            parse: 'none',
            link_names: false,
          }),
        )
        .catch((error: unknown) => {
          if (isUncertain(error)) this.#standing.doubt(channelId);
          throw error;
        }),
    );
    if (sent.ts === undefined)
      throw new KronaError('SLACK_REFUSED', 'Slack did not name the message that it posted.');
    this.#standing.note(nonce, sent.ts);
    this.#follow(channelId, sent.ts, card, keys);
    return sent.ts;
  }

  /** Adds what goes with a message: reactions to vote with, and files in its thread. Drops files that nobody sees. */
  #follow(channelId: string, ts: string, card: Card, keys: readonly string[]): void {
    const { log } = this.#parts;
    this.#tokenDead = false;
    this.#underWay.add(this.#files.shows(`${channelId} ${ts}`, keys));
    this.#underWay.add(this.#votes.invitations.invite(channelId, ts, card));
    for (const file of card.files ?? [])
      this.#underWay.add(
        this.#threads
          .attach(channelId, ts, file, this.#botUser)
          .catch((error: unknown) =>
            log.warn({ error, file: file.name }, 'Slack: could not upload a file; the message has its link'),
          ),
      );
  }

  /** In the log, once until the token is good again: it is the same for every message. */
  #tellOfDeadToken(error: unknown): void {
    if (!isTokenDead(error) || this.#tokenDead) return;
    this.#tokenDead = true;
    const { code, message } = tokenInvalid('SLACK_BOT_TOKEN', error);
    this.#parts.log.error({ code }, `${code}: ${message}`);
  }

  #warnOfScopes(granted: readonly string[]): void {
    if (granted.length === 0) return;
    for (const { scope, without } of NEEDED_SCOPES)
      if (!granted.includes(scope))
        this.#parts.log.warn(
          { code: 'SLACK_SCOPE_MISSING', scope },
          `Slack: the app lacks the scope ${scope}, so ${without}. Add it at api.slack.com/apps under OAuth & Permissions, and reinstall the app.`,
        );
  }
}
