/** @file Reactions as Slack tells of them, stored in the order in which each member gave them. */
import type { types } from '@slack/bolt';
import { pauseAfter } from '../../core/backoff.ts';
import { retry } from '../../core/retrying.ts';
import type { GatewayHandlers } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import { RecentMap } from '../../core/recent.ts';
import { type Members, party } from './members.ts';
import type { Places } from './places.ts';

/** Pauses between tries to store a reaction, ms; after the last, the next start reads it from Slack. */
const PAUSES = { first: 1_000, longest: 60_000 };
const TRIES = 12;
/** An event this old was held up on its way: the member may have changed their mind since, s. */
const HELD_UP = 10;
/** Reactions of which the newest event is remembered. */
const REMEMBERED = 20_000;

export interface ReactionEventsParts {
  readonly botUser: string;
  readonly members: Members;
  readonly places: Places;
  readonly handlers: GatewayHandlers;
  readonly stopping: AbortSignal;
}

export class ReactionEvents {
  readonly #parts: ReactionEventsParts;
  readonly #lanes = new Lanes();
  /** The time of the newest event, as Slack writes it, of each member's reaction. */
  readonly #newest = new RecentMap<string, string>(REMEMBERED);

  constructor(parts: ReactionEventsParts) {
    this.#parts = parts;
  }

  /**
   * Stores a member's reaction on a message of ours.
   *
   * @param isRetry - Slack sends it again: the member may have changed their mind since
   */
  async take(
    event: types.ReactionAddedEvent | types.ReactionRemovedEvent,
    added: boolean,
    isRetry: boolean,
  ): Promise<void> {
    const { item, user, reaction, item_user: author, event_ts: at } = event;
    const { botUser } = this.#parts;
    if (item.type !== 'message' || user === botUser || (author !== undefined && author !== botUser)) return;
    const { channel, ts } = item;
    await this.#lanes.run(`${channel} ${ts} ${user}`, async () => {
      const key = `${channel} ${ts} ${user} ${reaction}`;
      const newest = this.#newest.get(key);
      if (newest !== undefined && Number(newest) >= Number(at)) return;
      this.#newest.set(key, at);
      // Without an event to compare it with, as after a restart, only Slack knows what stands.
      const isLate = isRetry || Date.now() / 1000 - Number(at) > HELD_UP;
      if (isLate && newest === undefined)
        await this.#parts.handlers.onMissed({
          channel: await this.#parts.places.known(channel),
          messageId: ts,
        });
      else await this.#store(channel, ts, user, { emoji: reaction, added });
    });
  }

  async #store(
    channelId: string,
    messageId: string,
    user: string,
    what: { readonly emoji: string; readonly added: boolean },
  ): Promise<void> {
    const { members, places, handlers, stopping } = this.#parts;
    const person = await members.person(user);
    if (person.bot) return;
    const channel = await places.known(channelId);
    const store = async () => {
      // The handler has logged why.
      if (!(await handlers.onReaction({ channel, member: party(person), on: { messageId }, ...what })))
        throw new Error('a reaction could not be stored');
    };
    await retry(store, {
      signal: stopping,
      pause: (_, failures) => (failures < TRIES ? pauseAfter(failures, PAUSES) : null),
    }).catch(() => undefined);
  }
}
