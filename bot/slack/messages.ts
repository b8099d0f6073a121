/** @file Krona's messages on Slack: posted once for their nonce, edited, deleted, and what goes with them. */
import type { Card } from '../../commands/card.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { UnderWay } from '../under-way.ts';
import {
  GONE,
  isTokenDead,
  isUncertain,
  KEPT,
  messageError,
  placeError,
  reasonOf,
  toKronaError,
} from './failures.ts';
import type { HeardChannels } from './heard-channels.ts';
import type { Renderer } from './renderer.ts';
import type { SlackFiles } from './slack-files.ts';
import { POST_EVENT, StandingPosts } from './standing-posts.ts';
import type { ThreadFiles } from './thread-files.ts';
import type { Votes } from './votes.ts';
import type { SlackApi } from './web-api.ts';

const MINUTE = 60_000;
/** Slack takes some fifty edits a minute in a workspace: each living message gets its share, ms. */
const SHARE = 1_300;

export interface MessagesParts {
  readonly api: SlackApi;
  readonly renderer: Renderer;
  readonly files: SlackFiles;
  readonly threads: ThreadFiles;
  readonly votes: Votes;
  readonly heard: HeardChannels;
  readonly underWay: UnderWay;
  readonly log: Log;
  readonly botUser: () => string;
}

export class Messages {
  readonly #parts: MessagesParts;
  readonly #standing: StandingPosts;
  /** When each message was edited last, ms (monotonic); those of the last half minute. */
  readonly #edited = new Map<string, number>();
  #tokenDead = false;

  constructor(parts: MessagesParts) {
    this.#parts = parts;
    this.#standing = new StandingPosts(parts.api, parts.log);
  }

  /** 3 s, longer with age and when many messages are edited: all edits of a workspace share one limit. */
  editInterval(age: number): number {
    const since = performance.now() - MINUTE / 2;
    for (const [message, at] of this.#edited) if (at < since) this.#edited.delete(message);
    const byAge = age < 10 * MINUTE ? 3_000 : age < 60 * MINUTE ? 5_000 : 15_000;
    return Math.max(byAge, this.#edited.size * SHARE);
  }

  /**
   * Posts once for a nonce. Slack knows no nonce, so it goes into the message's metadata, where it is looked for before
   * posting. Exactly once holds within a process as long as Slack answers. Across a kill, or when Slack's answer was
   * lost, it holds where the app has the optional scopes channels:history and groups:history (conversations.history, the
   * channel's newest 1,000 messages); without them such a message may appear twice, and is never missing.
   *
   * @throws KronaError CHANNEL_GONE, POST_FORBIDDEN
   */
  async post(id: string, card: Card, nonce: string): Promise<string> {
    try {
      return (await this.#standing.find(id, nonce)) ?? (await this.postNew(id, card, nonce));
    } catch (error) {
      this.#tellOfDeadToken(error);
      throw placeError(error, this.#parts.heard.isAlive(id));
    }
  }

  /** Posts without looking for an existing message. */
  async postNew(channelId: string, card: Card, nonce: string): Promise<string> {
    const { api, renderer } = this.#parts;
    const { sent, keys } = await renderer.send(card, (rendered) =>
      api
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

  /** @throws KronaError MESSAGE_GONE, MESSAGE_STALE, CHANNEL_GONE */
  async edit(channel: string, ts: string, card: Card): Promise<void> {
    const { api, renderer } = this.#parts;
    try {
      const { keys } = await renderer.send(card, (rendered) =>
        api.call('chat.update', (client) =>
          client.chat.update({ channel, ts, ...rendered, parse: 'none', link_names: false }),
        ),
      );
      this.#edited.set(`${channel} ${ts}`, performance.now());
      this.#follow(channel, ts, card, keys);
    } catch (error) {
      this.#tellOfDeadToken(error);
      throw messageError(error);
    }
  }

  /** @throws KronaError DELETE_FORBIDDEN, CHANNEL_GONE */
  async remove(channel: string, ts: string): Promise<void> {
    await this.#parts.api
      .call('chat.delete', (client) => client.chat.delete({ channel, ts }))
      .catch((error: unknown) => {
        const reason = reasonOf(error) ?? '';
        if (KEPT.includes(reason))
          throw new KronaError('DELETE_FORBIDDEN', 'Slack does not let Krona delete this message.', {
            cause: error,
          });
        if (!GONE.includes(reason)) throw messageError(error);
      });
    // FileDeletion deletes the files that it showed.
    this.#edited.delete(`${channel} ${ts}`);
  }

  /** Adds what goes with a message: reactions to vote with, and files in its thread. Drops files that nobody sees. */
  #follow(channelId: string, ts: string, card: Card, keys: readonly string[]): void {
    const { files, threads, votes, underWay, log, botUser } = this.#parts;
    this.#tokenDead = false;
    underWay.add(files.shows(`${channelId} ${ts}`, keys));
    underWay.add(votes.invitations.invite(channelId, ts, card));
    for (const file of card.files ?? [])
      underWay.add(
        threads
          .attach(channelId, ts, file, botUser())
          .catch((error: unknown) =>
            log.warn({ error, file: file.name }, 'Slack: could not upload a file; the message has its link'),
          ),
      );
  }

  /** In the log, once until the token is good again: it is the same for every message. */
  #tellOfDeadToken(error: unknown): void {
    if (!isTokenDead(error) || this.#tokenDead) return;
    this.#tokenDead = true;
    const { code, message } = toKronaError(error, 'chat.postMessage');
    this.#parts.log.error({ code }, `${code}: ${message}`);
  }
}
