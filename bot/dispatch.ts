/**
 * @file What happens with a platform's events: in the order of their channel, the command is run and its card given
 * back. Errors that a member can fix come back as cards; all others are logged, and the member is told so.
 */
import { runAction } from '../commands/actions.ts';
import type { Card } from '../commands/card.ts';
import { errorCard, refusalOf } from '../commands/cards/format.ts';
import type { Actor, CommandContext } from '../commands/contract.ts';
import { completeOption } from '../commands/line/complete.ts';
import { COMMANDS, runCommand } from '../commands/index.ts';
import type { KronaError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { commandSeconds, errorsTotal, votesTotal } from '../core/metrics.ts';
import type { Platform } from '../core/records.ts';
import { spanOf } from '../core/tracing.ts';
import type { Delivery } from './delivery/delivery.ts';
import type { ActionEvent, CompletionEvent, GatewayHandlers, InvocationEvent, Party } from './gateway.ts';
import { Lanes } from './lanes.ts';
import { recordedChannel } from './recorded-channel.ts';
import type { VoteDesk } from './votes.ts';

export interface DispatchParts {
  readonly platform: Platform;
  readonly context: CommandContext;
  readonly delivery: Delivery;
  readonly votes: VoteDesk;
  readonly log: Log;
  /** Told in which channels members ask for something. */
  heard?(place: Party): void;
}

/** Names that can be a label: members type others. */
const commandNames: ReadonlySet<string> = new Set([...COMMANDS.map(({ data }) => data.name), 'button']);

type AnsweredCard = Card & { readonly aside?: Card };

/** Handlers for a gateway. */
export function createHandlers(parts: DispatchParts): GatewayHandlers {
  const { platform, context, votes, log } = parts;
  const answering = new Answering(parts);
  const reactions = new Lanes();
  return {
    onInvocation: (event) =>
      answering.answer(event, { command: event.command, action: event.action }, (actor) => {
        const { action, options, attachments } = event;
        return runCommand(event.command, { ...actor, action, options, attachments }, context);
      }),

    onAction: (event) =>
      answering.answer(event, { action: event.action }, (actor) => runAction(event.action, actor, context)),

    onCompletion: (event) =>
      complete(event, parts).catch((error: unknown) => {
        const { command, option } = event;
        log.error({ error, platform, command, option }, 'could not complete an option');
        return [];
      }),

    onReaction: (event) =>
      // A member's reactions keep their order: added then removed is not removed then added.
      reactions
        .run(`${event.channel.externalId} ${event.member.externalId}`, () => votes.record(event))
        .then((stored) => {
          if (stored) votesTotal.inc({ platform, change: event.added ? 'added' : 'removed' });
          return stored;
        })
        .catch((error: unknown) => {
          log.error({ error, platform }, 'could not store a reaction');
          return false;
        }),

    onMissed: (message) => (message ? votes.readMessage(message) : votes.readAgain()),
  };
}

/** Runs what members ask for and answers them. */
class Answering {
  readonly #parts: DispatchParts;
  readonly #lanes = new Lanes();

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  /** Does the work in its turn and answers with its cards, or with what went wrong. Never rejects. */
  async answer(
    event: InvocationEvent | ActionEvent,
    what: object,
    work: (actor: Actor) => Promise<AnsweredCard>,
  ): Promise<void> {
    const { platform, log } = this.#parts;
    this.#parts.heard?.(event.channel);
    const command = 'command' in event ? event.command : 'button';
    const end = commandSeconds.startTimer({
      platform,
      command: commandNames.has(command) ? command : 'other',
    });
    try {
      await this.#inTurn(event, async () => {
        const cards = await this.#cards(event, work).catch((error: unknown) => {
          log.error({ error, platform, ...what }, 'could not answer a member');
          return [errorCard(error)];
        });
        await event.answer(cards);
        const code = cards.map(refusalOf).find((each) => each !== null) ?? null;
        if (code !== null) errorsTotal.inc({ part: platform, code });
        end({ outcome: code === null ? 'done' : code === 'INTERNAL' ? 'failed' : 'refused' });
      });
    } catch (error) {
      log.error({ error, platform, ...what }, 'could not reach a member with an answer');
    }
  }

  /**
   * After all earlier events of the channel. Only the member's own later ones wait for photos, as reading them can take
   * minutes.
   */
  #inTurn(event: InvocationEvent | ActionEvent, work: () => Promise<void>): Promise<void> {
    const channel = event.channel.externalId;
    const photos = `photos ${channel} ${event.member.externalId}`;
    const inChannel = () => this.#lanes.run(channel, work);
    if ('attachments' in event && event.attachments.length > 0)
      return this.#lanes.run(photos, () => this.#lanes.run(channel, async () => {}).then(work));
    return this.#lanes.isBusy(photos) ? this.#lanes.run(photos, inChannel) : inChannel();
  }

  /** What to answer: a card that follows a record is posted by the delivery, exactly once; all others are answers. */
  async #cards(
    event: InvocationEvent | ActionEvent,
    work: (actor: Actor) => Promise<AnsweredCard>,
  ): Promise<Card[]> {
    const { delivery } = this.#parts;
    const began = Date.now();
    const { aside, ...card } = await work(await this.#actorOf(event));
    const asides = aside ? [aside] : [];
    delivery.hurry();
    if (card.follows === undefined) return [card, ...asides];
    const { platform } = this.#parts;
    spanOf(card.follows.id, 'request', began, { platform, card: card.follows.kind });
    const refused = await delivery.postNow(card.follows.id);
    return refused ? [notPostedCard(refused), ...asides] : asides;
  }

  async #actorOf(event: InvocationEvent | ActionEvent): Promise<Actor> {
    const { platform, context } = this.#parts;
    const { channel, member, moderator, manager = false, roles = [] } = event;
    return {
      channel: await recordedChannel(context.records, platform, channel),
      member: await context.records.member(platform, member.externalId, member.name),
      moderator,
      manager,
      ...(channel.direct && { direct: true }),
      roles,
    };
  }
}

async function complete(event: CompletionEvent, parts: DispatchParts): Promise<readonly string[]> {
  const { command: name, action, option, typed, moderator = false } = event;
  const channel = await recordedChannel(parts.context.records, parts.platform, event.channel);
  return completeOption({ name, action, option, typed, moderator }, parts.context, channel);
}

/** For the member who asked, as nobody sees the message that they wait for. */
function notPostedCard(error: KronaError): Card {
  const text =
    error.code === 'POST_FORBIDDEN'
      ? ['Krona still runs your request, and keeps trying to post the result.']
      : [];
  return {
    tone: 'warning',
    title: "Krona can't post here",
    text: [error.message, ...text],
    fields: [{ name: 'code', value: error.code }],
    audience: 'caller',
  };
}
