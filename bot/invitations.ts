/**
 * @file The numbers that invite to vote, each put on its message once: after a failure again, with pauses that outlast a
 * network that is gone for some minutes. Without them members can still vote.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Card } from '../commands/card.ts';
import { invitingEmoji } from '../commands/votes/emoji.ts';
import type { Log } from '../core/log.ts';

/** Before each further try, ms. After the last, the next edit of the message or the next start tries again. */
const PAUSES = [1_000, 5_000, 30_000, 2 * 60_000, 10 * 60_000];
/** Messages whose numbers are remembered. */
const MOST_REMEMBERED = 1_000;

type Put = (channelId: string, messageId: string, emoji: string) => Promise<void>;

interface Message {
  /** Emoji of ours that are on it, or that it does not take. */
  readonly there: Set<string>;
  wanted: readonly string[];
  busy: boolean;
}

export class Invitations {
  readonly #put: Put;
  readonly #log: Log;
  readonly #messages = new Map<string, Message>();
  readonly #stopping = new AbortController();

  /** @param put puts one of `invitingEmoji` there; resolves as well when the message takes no more, or is gone */
  constructor(put: Put, log: Log) {
    this.#put = put;
    this.#log = log;
  }

  /** Ends the pauses. */
  stop(): void {
    this.#stopping.abort();
  }

  /** An emoji of ours was seen on a message. */
  note(channelId: string, messageId: string, emoji: string): void {
    this.#message(channelId, messageId).there.add(emoji);
  }

  /** Puts the numbers of a card's pictures on its message. Never rejects. */
  async invite(channelId: string, messageId: string, { votesOn, pictures = [] }: Card): Promise<void> {
    if (votesOn === undefined || pictures.length === 0) return;
    const message = this.#message(channelId, messageId);
    message.wanted = invitingEmoji(pictures.length);
    if (message.busy) return;
    message.busy = true;
    await this.#fill(channelId, messageId, message);
    message.busy = false;
  }

  async #fill(channelId: string, messageId: string, message: Message): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      const emoji = message.wanted.find((each) => !message.there.has(each));
      if (emoji === undefined) return;
      try {
        await this.#put(channelId, messageId, emoji);
        message.there.add(emoji);
      } catch (error) {
        // The same for each try.
        if (failures === 0)
          this.#log.warn({ error, messageId }, 'could not put the numbers to vote with on a message');
        const pause = PAUSES[failures++];
        if (pause === undefined) return;
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #message(channelId: string, messageId: string): Message {
    const key = `${channelId} ${messageId}`;
    const message = this.#messages.get(key) ?? { there: new Set(), wanted: [], busy: false };
    this.#messages.delete(key);
    this.#messages.set(key, message);
    if (this.#messages.size > MOST_REMEMBERED) this.#messages.delete(this.#messages.keys().next().value!);
    return message;
  }
}
