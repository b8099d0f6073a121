/**
 * @file What happens with a platform's events: acknowledged before anything else, then, in the order of their
 * channel, the command is run and its card given back. Errors that a member can mend come back as cards; the rest
 * is logged, and the member told that it is.
 */
import { runAction } from '../commands/actions.ts';
import type { Card } from '../commands/card.ts';
import { errorCard } from '../commands/cards/format.ts';
import type { Actor, CommandContext } from '../commands/contract.ts';
import { completeOption } from '../commands/line/complete.ts';
import { runCommand } from '../commands/index.ts';
import type { KronaError } from '../core/errors.ts';
import type { Platform } from '../core/records.ts';
import type { Delivery } from './delivery.ts';
import type { ActionEvent, GatewayHandlers, InvocationEvent } from './gateway.ts';
import { Lanes } from './lanes.ts';
import type { Log } from '../core/log.ts';
import type { VoteDesk } from './votes.ts';

export interface DispatchParts {
  readonly platform: Platform;
  readonly context: CommandContext;
  readonly delivery: Delivery;
  readonly votes: VoteDesk;
  readonly log: Log;
}

/** Handlers for a gateway. */
export function createHandlers({ platform, context, delivery, votes, log }: DispatchParts): GatewayHandlers {
  const { records } = context;
  const lanes = new Lanes();

  const actorOf = async (event: InvocationEvent | ActionEvent): Promise<Actor> => ({
    channel: await records.channel(
      platform,
      event.channel.externalId,
      event.channel.name,
      event.channel.ageRestricted,
    ),
    member: await records.member(platform, event.member.externalId, event.member.name),
    moderator: event.moderator,
    roles: event.roles ?? [],
  });

  /** Acknowledges, then does the work in the channel's lane and answers with its cards, or with what went wrong. */
  const answer = async (
    event: InvocationEvent | ActionEvent,
    what: object,
    work: () => Promise<readonly Card[]>,
  ) => {
    try {
      await event.acknowledge();
      await lanes.run(event.channel.externalId, async () => {
        const cards = await work().catch((error: unknown) => {
          log.error({ error, platform, ...what }, 'could not answer a member');
          return [errorCard(error)];
        });
        await event.answer(cards);
      });
    } catch (error) {
      log.error({ error, platform, ...what }, 'could not reach a member with an answer');
    }
  };

  /** What to answer: a card that follows a record is posted by the delivery, exactly once; all others are answers. */
  const shown = async (card: Card, aside: Card | undefined): Promise<Card[]> => {
    const asides = aside ? [aside] : [];
    delivery.hurry();
    if (card.follows === undefined) return [card, ...asides];
    const refused = await delivery.postNow(card.follows.id);
    return refused ? [notPostedCard(refused), ...asides] : asides;
  };

  return {
    onInvocation: (event) =>
      answer(event, { command: event.command, action: event.action }, async () => {
        const { action, options, attachments } = event;
        const invocation = { ...(await actorOf(event)), action, options, attachments };
        const { aside, ...card } = await runCommand(event.command, invocation, context);
        return await shown(card, aside);
      }),

    onAction: (event) =>
      answer(event, { action: event.action }, async () => {
        const { aside, ...card } = await runAction(event.action, await actorOf(event), context);
        return await shown(card, aside);
      }),

    onCompletion: async ({ channel: place, command, action, option, typed }) => {
      try {
        const channel = await records.channel(platform, place.externalId, place.name, place.ageRestricted);
        return await completeOption({ name: command, action, option, typed }, context, channel);
      } catch (error) {
        log.error({ error, platform, command, option }, 'could not complete an option');
        return [];
      }
    },

    onReaction: (event) =>
      // One member's reactions in their order: put there and taken away is not taken away and put there.
      lanes
        .run(`${event.channel.externalId} ${event.member.externalId}`, () => votes.record(event))
        .catch((error: unknown) => {
          log.error({ error, platform }, 'could not store a reaction');
          return false;
        }),

    onMissed: () =>
      votes.readAgain().catch((error: unknown) => {
        log.error({ error, platform }, 'could not read the reactions again');
      }),
  };
}

/** To the one who asked, as nobody sees the message that he waits for. */
function notPostedCard(error: KronaError): Card {
  const text =
    error.code === 'POST_FORBIDDEN'
      ? ['What you asked for is done all the same, and I try to post it again from time to time.']
      : [];
  return {
    tone: 'warning',
    title: 'I could not post here',
    text: [error.message, ...text],
    fields: [{ name: 'code', value: error.code }],
    audience: 'caller',
  };
}
