/**
 * @file Our messages in a channel by the nonce in their metadata. Read from the channel's history once per channel and
 * process, and again after a post that Slack may or may not have taken.
 */
import * as v from 'valibot';
import type { Log } from '../../core/log.ts';
import { RecentMap } from '../../core/recent.ts';
import { reasonOf } from './failures.ts';
import type { SlackApi } from './web-api.ts';

/** The type of the metadata of our messages. https://docs.slack.dev/messaging/message-metadata */
export const POST_EVENT = 'krona_post';

const PAYLOAD = v.object({ nonce: v.string() });
const PAGE = 200;
/** Messages of a channel that are looked through, newest first. */
const PAGES = 5;
const REMEMBERED = 5_000;

export class StandingPosts {
  readonly #api: SlackApi;
  readonly #log: Log;
  readonly #known = new RecentMap<string, string>(REMEMBERED);
  /** Channels whose history holds nothing that is not in `#known`. */
  readonly #read = new Map<string, Promise<void>>();
  #told = false;

  constructor(api: SlackApi, log: Log) {
    this.#api = api;
    this.#log = log;
  }

  /** Returns the ts of the message that was posted with a nonce; null when there is none, or the app can't read it. */
  async find(channelId: string, nonce: string): Promise<string | null> {
    const known = this.#known.get(nonce);
    if (known !== undefined) return known;
    const reading = this.#read.get(channelId) ?? this.#readHistory(channelId);
    this.#read.set(channelId, reading);
    await reading.catch((error: unknown) => {
      this.#read.delete(channelId);
      throw error;
    });
    return this.#known.get(nonce) ?? null;
  }

  note(nonce: string, ts: string): void {
    this.#known.set(nonce, ts);
  }

  /** Slack's answer to a post was lost: the channel must be read again before the next post. */
  doubt(channelId: string): void {
    this.#read.delete(channelId);
  }

  async #readHistory(channel: string): Promise<void> {
    let cursor: string | undefined;
    try {
      for (let page = 0; page < PAGES; page++) {
        const answer = await this.#api.call('conversations.history', (client) =>
          client.conversations.history({
            channel,
            limit: PAGE,
            include_all_metadata: true,
            ...(cursor !== undefined && { cursor }),
          }),
        );
        for (const { ts, metadata } of answer.messages ?? []) {
          const payload = metadata?.event_payload;
          if (ts && metadata?.event_type === POST_EVENT && v.is(PAYLOAD, payload))
            this.note(payload.nonce, ts);
        }
        cursor = answer.response_metadata?.next_cursor || undefined;
        if (cursor === undefined) return;
      }
    } catch (error) {
      const reason = reasonOf(error);
      // Not in the channel, or it is gone: posting will say so.
      if (['not_in_channel', 'channel_not_found', 'is_archived'].includes(reason ?? '')) return;
      if (reason !== 'missing_scope') throw error;
      if (this.#told) return;
      this.#told = true;
      this.#log.info(
        {},
        'Slack: without the optional scopes channels:history and groups:history, a message can appear twice when Krona is killed while it posts',
      );
    }
  }
}
