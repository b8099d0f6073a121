/** @file Reactions as Slack tells of them, stored in the order in which each member gave them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { types } from '@slack/bolt';
import type { GatewayHandlers } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import { type Members, party } from './members.ts';
import type { Places } from './places.ts';

/** Pauses between tries to store a reaction, ms; after the last, the next start reads it from Slack. */
const FIRST_PAUSE = 1_000;
const LAST_PAUSE = 60_000;
const TRIES = 12;

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

  constructor(parts: ReactionEventsParts) {
    this.#parts = parts;
  }

  /** Stores a member's reaction on a message of ours. */
  async take(event: types.ReactionAddedEvent | types.ReactionRemovedEvent, added: boolean): Promise<void> {
    const { item, user, reaction, item_user: author } = event;
    const { botUser } = this.#parts;
    if (item.type !== 'message' || user === botUser || (author !== undefined && author !== botUser)) return;
    const { channel, ts } = item;
    await this.#lanes.run(`${channel} ${ts} ${user}`, () =>
      this.#store(channel, ts, user, { emoji: reaction, added }),
    );
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
    let pause = FIRST_PAUSE;
    for (let tries = 1; tries <= TRIES && !stopping.aborted; tries++) {
      if (await handlers.onReaction({ channel, member: party(person), on: { messageId }, ...what })) return;
      await sleep(pause, undefined, { signal: stopping }).catch(() => undefined);
      pause = Math.min(LAST_PAUSE, pause * 2);
    }
  }
}
