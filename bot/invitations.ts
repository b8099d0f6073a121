/**
 * @file Adds the number reactions that invite members to vote, each to its message once; after a failure again, with
 * pauses that outlast a network that is down for some minutes. Without them members can still vote.
 */
import type { Card } from '../commands/card.ts';
import { invitingEmoji } from '../core/votes/emoji.ts';
import { pauseAfter } from '../core/backoff.ts';
import type { Log } from '../core/log.ts';
import { retry } from '../core/retrying.ts';
import { RecentMap } from '../core/recent.ts';

/** Between tries, ms. After the last, the next edit of the message or the next start tries again. */
const PAUSES = { first: 2_000, longest: 5 * 60_000 };
/** Some ten minutes in all. */
const TRIES = 9;
/** Messages whose numbers are remembered. */
const MOST_REMEMBERED = 1_000;

type Add = (channelId: string, messageId: string, emoji: string) => Promise<void>;

interface Message {
  /** Our emoji that are on it, or that it does not take. */
  readonly present: Set<string>;
  wanted: readonly string[];
  busy: boolean;
}

export class Invitations {
  readonly #add: Add;
  readonly #log: Log;
  readonly #messages = new RecentMap<string, Message>(MOST_REMEMBERED);
  readonly #stopping = new AbortController();

  /** @param add - adds one of `invitingEmoji`; resolves also when the message takes no more, or is gone */
  constructor(add: Add, log: Log) {
    this.#add = add;
    this.#log = log;
  }

  /** Ends the pauses. */
  stop(): void {
    this.#stopping.abort();
  }

  /** An emoji of ours was seen on a message. */
  note(channelId: string, messageId: string, emoji: string): void {
    this.#message(channelId, messageId).present.add(emoji);
  }

  /** Adds the numbers of a card's pictures to its message. Never rejects. */
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
    let told = false;
    const addAll = async (): Promise<void> => {
      for (;;) {
        const emoji = message.wanted.find((each) => !message.present.has(each));
        if (emoji === undefined || signal.aborted) return;
        await this.#add(channelId, messageId, emoji);
        message.present.add(emoji);
      }
    };
    await retry(addAll, {
      signal,
      pause: (error, failures) => {
        // Once, as it is the same for each try.
        if (!told)
          this.#log.warn({ error, messageId }, 'could not add the numbers to vote with to a message');
        told = true;
        return failures < TRIES ? pauseAfter(failures, PAUSES) : null;
      },
    }).catch(() => undefined);
  }

  #message(channelId: string, messageId: string): Message {
    const key = `${channelId} ${messageId}`;
    const message = this.#messages.get(key) ?? { present: new Set(), wanted: [], busy: false };
    this.#messages.set(key, message);
    return message;
  }
}
