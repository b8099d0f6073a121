/**
 * @file A chat platform in memory, at the bot's edge: the messages that stand there, the reactions on them, and
 * members who send events. It forgets nothing when the bot dies, as a platform does not.
 */
import { randomUUID } from 'node:crypto';
import type { Card } from '../../commands/card.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channel, Platform } from '../../core/records.ts';
import type {
  ActionEvent,
  Gateway,
  GatewayHandlers,
  InvocationEvent,
  Outage,
  Party,
  ReactionEvent,
  StandingReaction,
} from '../../bot/gateway.ts';

export interface FakeMessage {
  readonly id: string;
  readonly channelId: string;
  readonly nonce: string;
  card: Card;
  /** Cards shown one after the other, the first post included. */
  readonly shown: Card[];
  readonly reactions: StandingReaction[];
}

/** What an event brought about: titles of the cards, in order, and the cards. */
export interface Answered {
  readonly steps: string[];
  readonly cards: Card[];
  readonly done: Promise<void>;
}

export class FakePlatform {
  readonly messages = new Map<string, FakeMessage>();
  readonly deleted = new Set<string>();
  /** Messages that take no more edits. */
  readonly stale = new Set<string>();
  /** Messages that the bot may not delete. */
  readonly kept = new Set<string>();
  /** How often taking away fails before it is done. */
  refusals = 0;
  /** Channels that were deleted, or that put the bot out. */
  readonly goneChannels = new Set<string>();
  /** Channels in which the bot may not post. */
  readonly forbidden = new Set<string>();
  /** Channels in which posting takes until then, as while the platform limits it. */
  readonly held = new Map<string, Promise<void>>();
  /** What was told of outages, with the channel. */
  readonly outages: string[] = [];
  /** Posts, edits and deletions that were tried, by channel. */
  readonly tries = new Map<string, number>();
}

export class FakeGateway implements Gateway {
  readonly platform: Platform = 'discord';
  readonly interval: number;
  readonly at: FakePlatform;
  #handlers: GatewayHandlers | null = null;

  constructor(at: FakePlatform, interval = 50) {
    this.at = at;
    this.interval = interval;
  }

  editInterval(): number {
    return this.interval;
  }

  isConnected(): boolean {
    return this.#handlers !== null;
  }

  async start(handlers: GatewayHandlers): Promise<void> {
    this.#handlers = handlers;
  }

  async stop(): Promise<void> {
    this.#handlers = null;
  }

  async post(channel: Channel, card: Card, nonce: string): Promise<string> {
    this.#count(channel);
    await this.at.held.get(channel.externalId);
    if (this.at.goneChannels.has(channel.externalId))
      throw new KronaError('CHANNEL_GONE', 'The channel was deleted.');
    if (this.at.forbidden.has(channel.externalId))
      throw new KronaError('POST_FORBIDDEN', 'I lack the permission Send Messages here.');
    const standing = [...this.at.messages.values()].find((message) => message.nonce === nonce);
    if (standing) return standing.id;
    const id = `message ${randomUUID()}`;
    const channelId = channel.externalId;
    this.at.messages.set(id, {
      id,
      channelId,
      nonce,
      card,
      shown: [card],
      reactions: [],
    });
    return id;
  }

  async edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    this.#count(channel);
    const message = this.at.messages.get(messageId);
    if (!message || this.at.deleted.has(messageId) || this.at.goneChannels.has(message.channelId))
      throw new KronaError('MESSAGE_GONE', 'deleted at the platform');
    if (this.at.stale.has(messageId)) throw new KronaError('MESSAGE_STALE', 'too old to edit');
    message.card = card;
    message.shown.push(card);
  }

  async remove(channel: Channel, messageId: string): Promise<void> {
    this.#count(channel);
    if (this.at.goneChannels.has(channel.externalId))
      throw new KronaError('CHANNEL_GONE', 'The bot was put out of the channel.');
    if (this.at.kept.has(messageId)) throw new KronaError('DELETE_FORBIDDEN', 'not to be deleted');
    if (this.at.refusals > 0) {
      this.at.refusals -= 1;
      throw new Error('slow down');
    }
    this.at.messages.delete(messageId);
  }

  async readReactions(_channel: Channel, messageId: string): Promise<readonly StandingReaction[]> {
    const message = this.at.messages.get(messageId);
    if (!message || this.at.deleted.has(messageId))
      throw new KronaError('MESSAGE_GONE', 'deleted at the platform');
    return message.reactions;
  }

  invite(): void {}

  async tellOutage({ card }: Outage, places: readonly Party[]): Promise<void> {
    for (const { externalId } of places) this.at.outages.push(`${externalId}: ${card.title}`);
  }

  /** A member sends a command. */
  invoke(
    channel: Party,
    member: Party,
    event: Pick<InvocationEvent, 'command'> & Partial<InvocationEvent>,
  ): Answered {
    return this.#ask((answered) =>
      this.#handlers!.onInvocation({
        action: '',
        options: {},
        attachments: [],
        channel,
        member,
        ...answered,
        ...event,
      }),
    );
  }

  press(
    channel: Party,
    member: Party,
    action: ActionEvent['action'],
    more: Partial<Pick<ActionEvent, 'moderator' | 'roles'>> = {},
  ): Answered {
    return this.#ask((answered) =>
      this.#handlers!.onAction({ action, channel, member, ...answered, ...more }),
    );
  }

  /** A member reacts, and the platform tells the bot if it listens. */
  async react(message: FakeMessage, member: Party, emoji: string, added = true): Promise<void> {
    const index = message.reactions.findIndex(
      (each) => each.member.externalId === member.externalId && each.emoji === emoji,
    );
    if (added && index < 0) message.reactions.push({ member, emoji });
    if (!added && index >= 0) message.reactions.splice(index, 1);
    const channel = { externalId: message.channelId, name: message.channelId };
    const event: ReactionEvent = { channel, member, on: { messageId: message.id }, emoji, added };
    await this.#handlers?.onReaction(event);
  }

  #count({ externalId }: Channel): void {
    this.at.tries.set(externalId, (this.at.tries.get(externalId) ?? 0) + 1);
  }

  #ask(send: (answered: Pick<InvocationEvent, 'moderator' | 'answer'>) => Promise<void>): Answered {
    const steps: string[] = [];
    const cards: Card[] = [];
    const done = send({
      moderator: false,
      answer: async (given) => {
        cards.push(...given);
        steps.push(...given.map((card) => card.title));
      },
    });
    return { steps, cards, done };
  }
}
