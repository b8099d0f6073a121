/**
 * @file The web chat as a gateway: messages are lines in the records, so posting is writing, and reactions reach the
 * records without a platform in between. Its pages are served by routes.ts, told what changes by hub.ts.
 */
import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import type { ParsedCommand } from '../../commands/line/command-line.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channel, Member } from '../../core/records.ts';
import type { Gateway, GatewayHandlers, Party } from '../gateway.ts';
import type { Log } from '../../core/log.ts';
import { Hub } from './hub.ts';
import type { CardBody, PictureVotes, SaidBody, SaidPhoto } from './protocol.ts';
import type { Upload, Uploads } from './uploads.ts';
import { ConversationViews } from './views.ts';

/** Edge of the small copies of photos under what a member wrote, pixels: 96 on the page, sharp on a dense screen. */
const THUMB = 192;
/** Pixels of the largest picture that a small copy is made of. */
const MOST_PIXELS = 64_000_000;

/** A member's message, checked. `command` null: words for the others in the channel. */
export interface Message {
  readonly id: string;
  readonly channel: Channel;
  readonly member: Member;
  readonly moderator: boolean;
  readonly text: string;
  readonly command: ParsedCommand | null;
  readonly uploads: readonly Upload[];
}

export interface Press {
  readonly id: string;
  readonly channel: Channel;
  readonly member: Member;
  readonly moderator: boolean;
  readonly action: string;
}

export interface Reaction {
  readonly channel: Channel;
  readonly member: Member;
  readonly pictureId: string;
  readonly emoji: string;
  readonly added: boolean;
}

const WORDS_AND_PHOTOS: Card = {
  tone: 'info',
  title: 'Photos go with a command',
  text: [
    'I do nothing with photos that come without one. To teach me what is on them:',
    '`/krona train subject:mochi class:cat`',
    'To add them to a subject that I know already: `/krona photos add subject:mochi`',
  ],
  audience: 'caller',
};

const party = ({ externalId, name }: Party): Party => ({ externalId, name });

export class WebGateway implements Gateway {
  readonly platform = 'web';
  readonly hub: Hub;
  readonly views: ConversationViews;
  readonly #context: CommandContext;
  readonly #uploads: Uploads;
  readonly #log: Log;
  readonly #beingAnswered = new Set<string>();
  readonly #underWay = new Set<Promise<unknown>>();
  #handlers: GatewayHandlers | null = null;

  constructor(context: CommandContext, secret: string, uploads: Uploads, log: Log) {
    this.#context = context;
    this.#uploads = uploads;
    this.#log = log;
    this.views = new ConversationViews(context.records, secret, this.#beingAnswered);
    this.hub = new Hub(this.views, log);
  }

  editInterval(): number {
    return 500;
  }

  async start(handlers: GatewayHandlers): Promise<void> {
    this.#handlers = handlers;
    await this.#context.records.channel(this.platform, 'general', 'general');
    this.hub.start();
  }

  async stop(): Promise<void> {
    this.#handlers = null;
    await Promise.all(this.#underWay);
    await this.hub.stop();
  }

  async post(channel: Channel, card: Card, nonce: string): Promise<string> {
    await this.#addLine(channel, null, nonce, { kind: 'card', card });
    return nonce;
  }

  async edit(channel: Channel, messageId: string, card: Card): Promise<void> {
    await this.#context.records.updateLine(messageId, { kind: 'card', card } satisfies CardBody);
    this.hub.refresh(channel.externalId);
  }

  async remove({ externalId }: Channel, messageId: string): Promise<void> {
    await this.#context.records.removeLine(messageId);
    this.hub.refresh(externalId);
  }

  async readReactions(): Promise<null> {
    return null;
  }

  /** Every picture has its emoji on the page. */
  invite(): void {}

  /**
   * Takes in a member's message; the answer comes later, through the hub. A message that was sent twice, as a page
   * does that lost its connection in between, is dealt with once.
   */
  async say(message: Message): Promise<void> {
    const { id, channel, member, command, uploads } = message;
    if (this.#beingAnswered.has(id)) return;
    this.#beingAnswered.add(id);
    const dealt = (command === null ? this.#talk(message) : this.#command(message, command)).finally(
      async () => {
        this.#beingAnswered.delete(id);
        this.hub.settled(channel.externalId, member.id, id);
        await this.#uploads.release(uploads);
      },
    );
    this.#track(dealt);
    // Words are done with when the others can read them; a command is acknowledged and answered in its own time.
    if (command === null) await dealt;
  }

  /** Takes in the press of a button; the answer comes later. */
  press({ id, channel, member, moderator, action }: Press): void {
    const answered = this.#active().onAction({
      channel: party(channel),
      member: party(member),
      moderator,
      action,
      acknowledge: async () => {},
      answer: (cards) => this.#answer(channel, member, id, cards),
    });
    this.#track(answered.finally(() => this.hub.settled(channel.externalId, member.id, id)));
  }

  /** Takes in a reaction, and returns what then stands on the set. @throws KronaError VOTE_LOST, PICTURE_GONE */
  async react({ channel, member, pictureId, emoji, added }: Reaction): Promise<PictureVotes[]> {
    const picture = await this.#context.records.picture(pictureId);
    const set = picture && (await this.#context.records.set(picture.setId));
    if (set?.channelId !== channel.id) throw new KronaError('PICTURE_GONE', 'This picture has been deleted.');
    const stored = await this.#active().onReaction({
      channel: party(channel),
      member: party(member),
      on: { pictureId },
      emoji,
      added,
    });
    if (!stored)
      throw new KronaError('VOTE_LOST', 'Your vote could not be stored; try again.', { retryable: true });
    this.hub.refreshVotes(channel.externalId, set.id);
    return this.views.votes(set.id);
  }

  async #talk({ id, channel, member, text, uploads }: Message): Promise<void> {
    const photos = await this.#thumbs(uploads);
    await this.#addLine(channel, member.id, id, { kind: 'said', text, photos, state: 'settled' });
    if (uploads.length > 0) this.#whisper(channel, member, id, WORDS_AND_PHOTOS);
  }

  async #command(message: Message, command: ParsedCommand): Promise<void> {
    const { id, channel, member, moderator, text, uploads } = message;
    try {
      const said: SaidBody = { kind: 'said', text, photos: await this.#thumbs(uploads), state: 'open' };
      if (!(await this.#addLine(channel, member.id, id, said))) return;
      await this.#active().onInvocation({
        channel: party(channel),
        member: party(member),
        moderator,
        command: command.name,
        action: command.action,
        options: command.options,
        attachments: uploads,
        // The page's request has been answered.
        acknowledge: async () => {},
        answer: async (cards) => {
          const forAll = cards.length === 0 || cards.some((card) => card.audience !== 'caller');
          await this.#context.records.updateLine(id, { ...said, state: forAll ? 'settled' : 'hidden' });
          this.hub.refresh(channel.externalId);
          if (forAll) this.hub.tellElsewhere(channel.externalId);
          await this.#answer(channel, member, id, cards);
        },
      });
    } catch (error) {
      this.#log.error({ error }, 'web chat: a command could not be taken in');
      this.#whisper(channel, member, id, errorCard(error));
    }
  }

  async #answer(channel: Channel, member: Member, answers: string, cards: readonly Card[]): Promise<void> {
    for (const card of cards)
      if (card.audience === 'caller') this.#whisper(channel, member, answers, card);
      else await this.#addLine(channel, null, randomUUID(), { kind: 'card', card });
  }

  #whisper(channel: Channel, member: Member, answers: string, card: Card): void {
    this.hub.whisper(member.id, {
      id: randomUUID(),
      channelId: channel.externalId,
      answers,
      at: Date.now(),
      card,
      links: this.views.cardLinks(card),
    });
  }

  /** False when the line was there already. */
  async #addLine(
    channel: Channel,
    memberId: string | null,
    id: string,
    body: CardBody | SaidBody,
  ): Promise<boolean> {
    const { records } = this.#context;
    const before = await this.views.newestRevision(channel);
    const line = await records.addLine({ id, channelId: channel.id, memberId, body });
    this.hub.refresh(channel.externalId);
    if (line.revision <= before) return false;
    if (body.kind === 'card' || body.state === 'settled') this.hub.tellElsewhere(channel.externalId);
    return true;
  }

  async #thumbs(uploads: readonly Upload[]): Promise<SaidPhoto[]> {
    const photos: SaidPhoto[] = [];
    for (const { fileName: name, path } of uploads) {
      // One after the other, to keep memory low; what is no picture is told of by the command.
      const small = await sharp(path, { limitInputPixels: MOST_PIXELS })
        .rotate()
        .resize(THUMB, THUMB, { fit: 'cover' })
        .webp({ quality: 80 })
        .toBuffer()
        .catch(() => null);
      photos.push({ name, thumb: small === null ? null : (await this.#context.blobs.put(small)).hash });
    }
    return photos;
  }

  #active(): GatewayHandlers {
    if (this.#handlers !== null) return this.#handlers;
    throw new KronaError('STOPPING', 'Krona is being restarted; try again in a moment.', { retryable: true });
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.catch(() => undefined).finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }
}
