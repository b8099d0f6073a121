/**
 * @file Slack as a gateway: cards become messages of Block Kit, what members do comes in through Bolt, over a
 * WebSocket (Socket Mode) or over HTTP.
 */
import { randomUUID } from 'node:crypto';
import { App } from '@slack/bolt';
import type { Hono } from 'hono';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { foldEmoji, invitingEmoji, shownEmoji } from '../../commands/votes/emoji.ts';
import type { SlackConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channel } from '../../core/records.ts';
import type { Gateway, GatewayHandlers, StandingReaction } from '../gateway.ts';
import { Invitations } from '../invitations.ts';
import type { Log } from '../../core/log.ts';
import { Answers, type Caller } from './answers.ts';
import { GONE, isTokenDead, isUncertain, KEPT, placeError, reasonOf, tokenInvalid } from './failures.ts';
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
import { SlackApi, slackLogger } from './web-api.ts';

const MINUTE = 60_000;
/** Slack calls the emoji of numbers so; in the order of `invitingEmoji`. */
const NUMBERS = ['one', 'two', 'three', 'four'];
/** Slack takes some fifty edits a minute in a workspace: each living message gets its share, ms. */
const SHARE = 1_300;
/** Files that one member was shown stay at Slack so long, ms: such messages are gone when the page is loaded again. */
const WHISPER_LASTS = 60 * MINUTE;
/** What Slack answers where a reaction stands already, or none can be put. */
const TAKES_NONE = ['already_reacted', 'too_many_emoji', 'too_many_reactions', 'thread_locked', ...GONE];
/** A connection gone for longer may have cost events: Slack sends them again for a while only. */
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
  readonly #renderer: Renderer;
  readonly #threads: ThreadFiles;
  readonly #standing: StandingPosts;
  readonly #members: Members;
  readonly #answers: Answers;
  readonly #heard = new HeardChannels();
  readonly #receiver: SocketReceiver | HttpReceiver;
  /** When each message was edited last, ms since the epoch; those of the last half minute. */
  readonly #edited = new Map<string, number>();
  readonly #invitations: Invitations;
  readonly #background = new Set<Promise<unknown>>();
  #incoming: Incoming | null = null;
  #handlers: GatewayHandlers | null = null;
  #botUser = '';
  #tokenDead = false;

  constructor(parts: SlackParts) {
    const { config, context, log } = parts;
    this.#parts = parts;
    this.#api = new SlackApi(config.botToken, config.api, log);
    this.#files = new SlackFiles(this.#api, context, log);
    this.#renderer = new Renderer(this.#files, (hash, name) => parts.link(hash, name));
    this.#threads = new ThreadFiles(this.#api, this.#files, context.blobs);
    this.#standing = new StandingPosts(this.#api, log);
    this.#members = new Members(this.#api, log);
    this.#answers = new Answers(this.#api, log);
    this.#invitations = new Invitations((...where) => this.#putNumber(...where), log);
    this.#receiver =
      config.appToken === null
        ? new HttpReceiver(config.signingSecret!, log)
        : new SocketReceiver({
            appToken: config.appToken,
            api: config.api,
            log,
            onReturn: (away) => {
              if (away > AWAY && this.#handlers) this.#inBackground(this.#handlers.onMissed());
            },
          });
  }

  /** Adds the route for events to the bot's server, where they come over HTTP. */
  mount(server: Hono): void {
    if (this.#receiver instanceof HttpReceiver) this.#receiver.mount(server);
  }

  /** 3 s, slower with age and when many messages live: all edits of a workspace share one limit. */
  editInterval(age: number): number {
    const since = Date.now() - MINUTE / 2;
    for (const [message, at] of this.#edited) if (at < since) this.#edited.delete(message);
    const byAge = age < 10 * MINUTE ? 3_000 : age < 60 * MINUTE ? 5_000 : 15_000;
    return Math.max(byAge, this.#edited.size * SHARE);
  }

  /** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  async start(handlers: GatewayHandlers): Promise<void> {
    const { config, context, log } = this.#parts;
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

    const app = new App({
      receiver: this.#receiver,
      authorize: async () => ({
        botToken: config.botToken,
        botUserId: this.#botUser,
        ...(who.bot_id !== undefined && { botId: who.bot_id }),
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
      tell: (caller, card) => this.#tell(caller, card),
      answer: (caller, cards) => this.#answer(caller, cards),
    });
    this.#incoming.listen(app);
    this.#handlers = handlers;
    await context.records.dropStrayPlatformFiles('slack');
    await this.#receiver.start();
    this.#files.start();
  }

  async stop(): Promise<void> {
    this.#handlers = null;
    await this.#receiver.stop();
    await this.#incoming?.stop();
    this.#invitations.stop();
    while (this.#background.size > 0) await Promise.all(this.#background);
    this.#api.close();
    await this.#files.stop();
  }

  /**
   * Slack knows no nonce, so it goes into the message's metadata, where it is looked for before posting. Exactly
   * once is assured within a process as long as Slack answers. Across a kill, or when Slack's answer was lost, it is
   * assured where the app has the optional scopes channels:history and groups:history (conversations.history, the
   * channel's newest 1,000 messages); without them such a message may stand there twice, and is never missing.
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
    // The files that it showed: see SlackFiles.start.
    this.#edited.delete(`${channel} ${ts}`);
  }

  async readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    const answer = await this.#api
      .call('reactions.get', (client) =>
        client.reactions.get({ channel: channel.externalId, timestamp: messageId, full: true }),
      )
      .catch((error: unknown) => {
        throw messageError(error);
      });
    const standing: StandingReaction[] = [];
    for (const { name, users = [] } of answer.message?.reactions ?? [])
      for (const user of users) {
        if (user === this.#botUser && name)
          this.#invitations.note(channel.externalId, messageId, shownEmoji(foldEmoji(name)));
        const person = user === this.#botUser ? null : await this.#members.person(user);
        if (name && person && !person.bot)
          standing.push({ member: { externalId: user, name: person.name }, emoji: name });
      }
    return standing;
  }

  invite({ externalId }: Channel, messageId: string, card: Card): void {
    this.#inBackground(this.#invitations.invite(externalId, messageId, card));
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
    const ts = sent.ts!;
    this.#standing.note(nonce, ts);
    this.#follow(channelId, ts, card, keys);
    return ts;
  }

  /** What goes with a message: reactions to vote with, files in its thread, and no files that nobody sees. */
  #follow(channelId: string, ts: string, card: Card, keys: readonly string[]): void {
    const { log } = this.#parts;
    this.#tokenDead = false;
    this.#inBackground(this.#files.shows(`${channelId} ${ts}`, keys));
    this.#inBackground(this.#invitations.invite(channelId, ts, card));
    for (const file of card.files ?? [])
      this.#inBackground(
        this.#threads
          .attach(channelId, ts, file, this.#botUser)
          .catch((error: unknown) =>
            log.warn(
              { error, file: file.name },
              'Slack: could not upload a file; its link stands in the message',
            ),
          ),
      );
  }

  async #putNumber(channel: string, timestamp: string, emoji: string): Promise<void> {
    const name = NUMBERS[invitingEmoji(NUMBERS.length).indexOf(emoji)]!;
    await this.#api
      .call('reactions.add', (client) => client.reactions.add({ channel, timestamp, name }))
      .catch((error: unknown) => {
        if (!TAKES_NONE.includes(reasonOf(error) ?? '')) throw error;
      });
  }

  async #answer(caller: Caller, cards: readonly Card[]): Promise<void> {
    for (const card of cards) {
      if (card.audience === 'caller') {
        await this.#tell(caller, card);
        continue;
      }
      try {
        await this.#post(caller.channelId, card, randomUUID());
      } catch (error) {
        // What was done is done: the caller sees it, and why nobody else does.
        await this.#tell(caller, errorCard(placeError(error, true)));
        await this.#tell(caller, card);
      }
    }
  }

  async #tell(caller: Caller, card: Card): Promise<void> {
    try {
      const { keys } = await this.#renderer.send(card, (rendered) => this.#answers.tell(caller, rendered));
      if (keys.length === 0) return;
      const whisper = randomUUID();
      await this.#files.shows(whisper, keys);
      setTimeout(() => this.#inBackground(this.#files.shows(whisper, [])), WHISPER_LASTS).unref();
    } catch (error) {
      this.#parts.log.warn({ error }, 'Slack: could not tell a member something');
    }
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

  #inBackground(work: Promise<unknown>): void {
    const tracked = work.catch(() => undefined).finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}

/** What is wrong with a message that stood there. */
function messageError(error: unknown): unknown {
  const reason = reasonOf(error) ?? '';
  if (GONE.includes(reason))
    return new KronaError('MESSAGE_GONE', 'This message is not in Slack any more.', { cause: error });
  if (['cant_update_message', 'edit_window_closed'].includes(reason))
    return new KronaError('MESSAGE_STALE', 'Slack takes no more edits of this message.', { cause: error });
  return error;
}
