/** @file Finds out who asks for something and hands the event on, in the order of the channel. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Card } from '../../commands/card.ts';
import type { AnsweredEvent, Place } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import type { UnderWay } from '../under-way.ts';
import type { Caller } from './answers.ts';
import type { HeardChannels } from './heard-channels.ts';
import { errorCard } from '../../commands/cards/format.ts';
import { KronaError } from '../../core/errors.ts';
import type { Places } from './places.ts';
import { type Members, party } from './members.ts';

/** Longest that a command waits to know who gives it, ms. */
const LONGEST_QUESTION = 5_000;

/** Something that a member asks for. */
export interface Asked {
  readonly place: Place;
  readonly caller: Caller;
  /** What the event calls the member. */
  readonly userName: string;
}

export interface EntranceParts {
  readonly places: Places;
  readonly members: Members;
  readonly heard: HeardChannels;
  readonly underWay: UnderWay;
  /** Shows an answer's cards where each belongs. */
  answer(caller: Caller, cards: readonly Card[]): Promise<void>;
}

/** For a command in a direct message, where no rules hold. */
export const notHere = (): KronaError =>
  new KronaError(
    'NOT_HERE',
    'Krona works in channels, not in direct messages. Send the command in a channel.',
  );

export class Entrance {
  readonly #parts: EntranceParts;
  readonly #lanes = new Lanes();

  constructor(parts: EntranceParts) {
    this.#parts = parts;
  }

  /**
   * Passes an event to `hand` with the member who asks; the bot keeps the order from there.
   *
   * @param ready - what else the event needs
   */
  enter<T>(
    { place, caller, userName }: Asked,
    ready: Promise<T>,
    hand: (who: AnsweredEvent, ready: T) => Promise<void>,
  ): void {
    const { members, places, heard, underWay } = this.#parts;
    heard.note(caller.channelId);
    const entered = this.#lanes.run(place.externalId, async () => {
      const known = Promise.all([members.person(caller.userId, userName), members.groupsOf(caller.userId)]);
      // When Slack limits these questions, the channel does not wait: the member has no rights beyond everybody's.
      const unknown = members.unknown(caller.userId, userName);
      const [[person, roles], channel] = await Promise.all([
        Promise.race([known, sleep(LONGEST_QUESTION, [unknown, []] as const, { ref: false })]),
        Promise.race([places.settled(place), sleep(LONGEST_QUESTION, place, { ref: false })]),
      ]);
      if (channel === null) return this.#parts.answer(caller, [errorCard(notHere())]);
      const who: AnsweredEvent = {
        channel,
        member: party(person),
        moderator: person.moderator,
        // Moderators are the workspace's admins and owners.
        manager: person.moderator,
        ...(roles.length > 0 && { roles }),
        answer: (cards) => this.#parts.answer(caller, cards),
      };
      underWay.add(hand(who, await ready));
    });
    underWay.add(entered);
  }
}
