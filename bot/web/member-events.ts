/** @file What members do in the web chat: messages and commands, buttons, reactions. */
import { randomUUID } from 'node:crypto';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { ParsedCommand } from '../../commands/line/command-line.ts';
import { foldEmoji, meaningOf } from '../../core/votes/emoji.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Channel, Member } from '../../core/records.ts';
import type { AnsweredEvent, GatewayHandlers, Party } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import { UnderWay } from '../under-way.ts';
import { stopping } from '../stopping.ts';
import type { Hub } from './hub.ts';
import type { Lines } from './lines.ts';
import type { PictureVotes, SaidBody } from './protocol.ts';
import { thumbnails } from './thumbnails.ts';
import type { Upload, Uploads } from '../uploads.ts';
import type { ConversationViews } from './views.ts';

interface WhoAndWhere {
  readonly channel: Channel;
  readonly member: Member;
}

/** A member's message, checked. `command` null: words for the others in the channel. */
export interface Message extends WhoAndWhere {
  readonly id: string;
  readonly moderator: boolean;
  readonly text: string;
  readonly command: ParsedCommand | null;
  readonly uploads: readonly Upload[];
}

export interface Press extends WhoAndWhere {
  readonly id: string;
  readonly moderator: boolean;
  readonly action: string;
}

export interface Reaction extends WhoAndWhere {
  readonly pictureId: string;
  readonly emoji: string;
  readonly added: boolean;
}

export interface MemberEventsParts {
  readonly context: CommandContext;
  readonly uploads: Uploads;
  readonly hub: Hub;
  readonly views: ConversationViews;
  readonly lines: Lines;
  readonly log: Log;
  /** Ids of the messages that are being answered, kept here for the views. */
  readonly beingAnswered: Set<string>;
}

const PHOTOS_WITHOUT_COMMAND: Card = {
  tone: 'info',
  title: 'Send photos with a command',
  text: [
    'Krona does not use photos that come without a command. To train it on a subject:',
    '`/krona train subject:mochi class:cat`',
    'To add photos to a subject: `/krona photos add subject:mochi`',
    'To begin with a picture: `/krona imagine a cat in the snow`',
  ],
  audience: 'caller',
};

/** Different emoji on one picture, votes apart. */
const MOST_EMOJI = 20;

/** @throws KronaError TOO_MANY_REACTIONS when a picture has no room for another emoji */
function checkRoom(emoji: string, votes: readonly PictureVotes[], pictureId: string): void {
  const there = votes.filter((vote) => vote.pictureId === pictureId);
  const known = there.some((vote) => vote.emoji === foldEmoji(emoji));
  if (!known && there.length >= MOST_EMOJI && meaningOf(emoji).sign === 0)
    throw new KronaError(
      'TOO_MANY_REACTIONS',
      `A picture can have ${MOST_EMOJI} different emoji, and this one has. Use one of those, or vote with a heart.`,
    );
}

const party = ({ externalId, name }: Party): Party => ({ externalId, name });

export class MemberEvents {
  readonly #parts: MemberEventsParts;
  readonly #underWay = new UnderWay();
  /** Small copies of one member's photos are made one after the other, so that others get their turn. */
  readonly #copying = new Lanes();
  #handlers: GatewayHandlers | null = null;

  constructor(parts: MemberEventsParts) {
    this.#parts = parts;
  }

  start(handlers: GatewayHandlers): void {
    this.#handlers = handlers;
  }

  /** Takes no further events, and waits for those being handled. */
  async stop(): Promise<void> {
    this.#handlers = null;
    await this.#underWay.idle();
  }

  /**
   * Takes in a member's message; done when its line is stored. The answer comes later, through the hub. A message that
   * was sent twice, as a page does that lost its connection in between, is handled once.
   *
   * @throws KronaError LINE_ID_TAKEN, STOPPING
   */
  async say(message: Message): Promise<void> {
    const { id, command, uploads } = message;
    const { beingAnswered } = this.#parts;
    if (beingAnswered.has(id)) return;
    beingAnswered.add(id);
    const done = async () => {
      beingAnswered.delete(id);
      this.#settled(message);
      await this.#parts.uploads.release(uploads);
    };
    try {
      const said = await this.#store(message);
      if (said !== null && command !== null) {
        const answered = async () => {
          try {
            await this.#carryOut(message, command, said);
          } finally {
            await done();
          }
        };
        this.#underWay.add(answered());
        return;
      }
    } catch (error) {
      await done();
      throw error;
    }
    await done();
  }

  /** Takes in the press of a button; the answer comes later. */
  press(press: Press): void {
    const { id, action, moderator } = press;
    const answered = this.#active().onAction({
      ...this.#event(press, moderator),
      action,
      answer: (cards) => this.#answer(press, id, cards),
    });
    this.#underWay.add(answered.finally(() => this.#settled(press)));
  }

  /**
   * Takes in a reaction, and returns all reactions on the set.
   *
   * @throws KronaError VOTE_LOST, PICTURE_GONE, TOO_MANY_REACTIONS
   */
  async react({ channel, member, pictureId, emoji, added }: Reaction): Promise<PictureVotes[]> {
    const { context, hub, views } = this.#parts;
    const picture = await context.records.picture(pictureId);
    const set = picture && (await context.records.set(picture.setId));
    if (set?.channelId !== channel.id) throw new KronaError('PICTURE_GONE', 'This picture was deleted.');
    if (added) checkRoom(emoji, await views.votes(set.id), pictureId);
    const stored = await this.#active().onReaction({
      channel: party(channel),
      member: party(member),
      on: { pictureId },
      emoji,
      added,
    });
    if (!stored)
      throw new KronaError('VOTE_LOST', 'Krona could not store your vote. Try again.', { retryable: true });
    hub.refreshVotes(channel.externalId, set.id);
    return views.votes(set.id);
  }

  /** Stores what was said; null when that was done before. */
  async #store({ id, channel, member, text, command, uploads }: Message): Promise<SaidBody | null> {
    const { context, lines } = this.#parts;
    const photos = await this.#copying.run(member.id, () => thumbnails(uploads, context.blobs));
    const body: SaidBody = { kind: 'said', text, photos, state: command === null ? 'settled' : 'open' };
    if (!(await lines.add({ id, channel, memberId: member.id, body }))) return null;
    if (command === null && uploads.length > 0) this.#whisper(channel, member, id, PHOTOS_WITHOUT_COMMAND);
    return body;
  }

  async #carryOut(message: Message, command: ParsedCommand, said: SaidBody): Promise<void> {
    const { id, channel, member, moderator, uploads } = message;
    try {
      await this.#active().onInvocation({
        ...this.#event(message, moderator),
        command: command.name,
        action: command.action,
        options: command.options,
        attachments: uploads,
        answer: async (cards) => {
          const forAll = cards.length === 0 || cards.some((card) => card.audience !== 'caller');
          const body: SaidBody = { ...said, state: forAll ? 'settled' : 'hidden' };
          await this.#parts.lines.update({ id, channel, memberId: member.id, body });
          await this.#answer(message, id, cards);
        },
      });
    } catch (error) {
      this.#parts.log.error({ error }, 'web chat: a command could not be taken in');
      this.#whisper(channel, member, id, errorCard(error));
    }
  }

  #event({ channel, member }: WhoAndWhere, moderator: boolean): Omit<AnsweredEvent, 'answer'> {
    // Moderators of the web chat moderate all of it.
    return { channel: party(channel), member: party(member), moderator, manager: moderator };
  }

  async #answer({ channel, member }: WhoAndWhere, answers: string, cards: readonly Card[]): Promise<void> {
    for (const card of cards)
      if (card.audience === 'caller') this.#whisper(channel, member, answers, card);
      else
        await this.#parts.lines.add({
          id: randomUUID(),
          channel,
          memberId: null,
          body: { kind: 'card', card },
        });
  }

  #whisper(channel: Channel, member: Member, answers: string, card: Card): void {
    this.#parts.hub.whisper(member.id, {
      id: randomUUID(),
      channelId: channel.externalId,
      answers,
      at: Date.now(),
      card,
      links: this.#parts.views.cardLinks(card),
    });
  }

  /** The page's message or press was handled. */
  #settled({ id, channel, member }: WhoAndWhere & { readonly id: string }): void {
    this.#parts.hub.settled(channel.externalId, member.id, id);
  }

  #active(): GatewayHandlers {
    if (this.#handlers !== null) return this.#handlers;
    throw stopping();
  }
}
