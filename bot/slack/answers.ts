/**
 * @file Answers that only one member sees: through the address that came with their command while Slack takes them there,
 * then as ephemeral messages. https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
 */
import type { types } from '@slack/bolt';
import type { Log } from '../../core/log.ts';
import { RecentMap } from '../../core/recent.ts';
import type { SlackApi } from './web-api.ts';

/** How often and how long Slack takes answers at one address; a little less than its 30 minutes. */
const MOST_USES = 5;
const LASTS = 29 * 60_000;
const REMEMBERED = 5_000;

export interface Rendered {
  readonly text: string;
  readonly blocks: types.KnownBlock[];
}

/** A member, and where they can be told something. */
export interface Caller {
  readonly channelId: string;
  readonly userId: string;
  readonly responseUrl: string | null;
  /** When the address was given out, ms since the epoch. */
  readonly at: number;
}

export class Answers {
  readonly #api: SlackApi;
  readonly #log: Log;
  readonly #uses = new RecentMap<string, number>(REMEMBERED);

  constructor(api: SlackApi, log: Log) {
    this.#api = api;
    this.#log = log;
  }

  /** Shows something to the member alone. @throws KronaError when neither way works */
  async tell(caller: Caller, { text, blocks }: Rendered): Promise<void> {
    if (await this.#respond(caller, { text, blocks })) return;
    const { channelId: channel, userId: user } = caller;
    await this.#api.call(
      'chat.postEphemeral',
      (client) => client.chat.postEphemeral({ channel, user, text, blocks }),
      { repeatable: false, limitedBy: channel },
    );
  }

  async #respond({ responseUrl, at }: Caller, rendered: Rendered): Promise<boolean> {
    if (responseUrl === null) return false;
    const uses = this.#uses.get(responseUrl) ?? 0;
    if (uses >= MOST_USES || Date.now() > at + LASTS) return false;
    this.#uses.set(responseUrl, uses + 1);
    try {
      const response = await fetch(responseUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ response_type: 'ephemeral', replace_original: false, ...rendered }),
        signal: AbortSignal.timeout(30_000),
      });
      await response.body?.cancel();
      if (response.ok) return true;
      this.#log.warn({ status: response.status }, 'Slack: an answer address takes no more answers');
    } catch (error) {
      this.#log.warn({ error }, 'Slack: an answer address could not be reached');
    }
    return false;
  }
}
